#!/usr/bin/env bash
# Sees that what a command (demo, test) needs from the system is there; as root on a Debian-like system it installs what is missing.
#   deploy/system-packages.sh demo|test [folder for tools [root of the system]]
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
wanted=${1:?which command: demo or test}
tools=${2:-$here/../.venv/tools}
root=${3:-}

is_there() { # kind, name
    case $1 in
    command) command -v "$2" >/dev/null ;;
    module) "${PYTHON:-python3}" -c "import $2" 2>/dev/null ;;
    library) "${PYTHON:-python3}" -c "import ctypes; ctypes.CDLL('$2')" 2>/dev/null ;;
    tool) command -v "$2" >/dev/null || [[ -x $(place "$1" "$2") ]] ;;
    file) [[ -e $(place "$1" "$2") ]] ;;
    esac
}

place() { # kind, name
    case $1 in
    tool) echo "$tools/$2" ;;
    file) echo "$root$2" ;;
    esac
}

is_root() { [[ $(id -u) == 0 ]]; }

# One file without its package: apt-get needs no root to fetch, and no service of the package starts.
unpack() { # package, kind, name
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || return 1
    local work found target
    work=$(mktemp -d)
    target=$(place "$2" "$3")
    echo "fetching ${3##*/} (Debian package $1) into $(dirname "${target#"$PWD"/}")"
    if (cd "$work" && apt-get download -qq "$1" && dpkg-deb -x ./*.deb tree) >/dev/null 2>&1; then
        case $2 in
        tool) found=$(find "$work/tree" -type f -path "*/bin/$3" -perm -u+x | head -n 1) ;;
        file) found=$work/tree$3 ;;
        esac
        [[ -e $found ]] && mkdir -p "$(dirname "$target")" && cp "$found" "$target"
    fi 2>/dev/null
    rm -rf "$work"
    is_there "$2" "$3"
}

missing=()
unpackable=()
while read -r package kind name users; do
    [[ -z $package || $package == \#* || " $users " != *" $wanted "* ]] && continue
    is_there "$kind" "$name" && continue
    if [[ $kind == tool || $kind == file ]]; then
        unpackable+=("$package $kind $name")
    elif [[ " ${missing[*]-} " != *" $package "* ]]; then
        missing+=("$package")
    fi
done <"$here/system-packages.txt"

if ((${#missing[@]} + ${#unpackable[@]})) && is_root && command -v apt-get >/dev/null; then
    apt-get update -qq
    if ((${#missing[@]})); then
        echo "installing what is missing, as root: apt-get install ${missing[*]}"
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
        missing=()
    fi
fi

for one in "${unpackable[@]}"; do
    # shellcheck disable=SC2086
    unpack $one || [[ " ${missing[*]-} " == *" ${one%% *} "* ]] || missing+=("${one%% *}")
done

if ((${#missing[@]})); then
    echo "zonepulse: make $wanted needs what is not here; as root on Debian or Ubuntu: apt-get install ${missing[*]}" >&2
    exit 1
fi
