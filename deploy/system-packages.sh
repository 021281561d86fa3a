#!/usr/bin/env bash
# Sees that what a command (demo, test) needs from the system is there; as root on a Debian-like system it installs what is missing.
#   deploy/system-packages.sh demo|test [folder for tools]
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
wanted=${1:?which command: demo or test}
tools=${2:-$here/../.venv/tools}

is_there() { # kind, name
    case $1 in
    command) command -v "$2" >/dev/null ;;
    module) "${PYTHON:-python3}" -c "import $2" 2>/dev/null ;;
    tool) command -v "$2" >/dev/null || [[ -x $tools/$2 ]] ;;
    esac
}

is_root() { [[ $(id -u) == 0 ]]; }

# A tool's program without its package: apt-get needs no root to fetch, and no service of the package starts.
unpack() { # package, program
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || return 1
    local work found
    work=$(mktemp -d)
    echo "fetching $2 (Debian package $1) into ${tools#"$PWD"/}"
    if (cd "$work" && apt-get download -qq "$1" && dpkg-deb -x ./*.deb tree) >/dev/null 2>&1 &&
        found=$(find "$work/tree" -type f -name "$2" -perm -u+x | head -n 1) && [[ -n $found ]]; then
        mkdir -p "$tools" && cp "$found" "$tools/$2"
    fi
    rm -rf "$work"
    [[ -x $tools/$2 ]]
}

missing=()
unpackable=()
while read -r package kind name users; do
    [[ -z $package || $package == \#* || " $users " != *" $wanted "* ]] && continue
    is_there "$kind" "$name" && continue
    if [[ $kind == tool ]]; then
        unpackable+=("$package $name")
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

for tool in "${unpackable[@]}"; do
    # shellcheck disable=SC2086
    unpack $tool || missing+=("${tool% *}")
done

if ((${#missing[@]})); then
    echo "zonepulse: make $wanted needs what is not here; as root on Debian or Ubuntu: apt-get install ${missing[*]}" >&2
    exit 1
fi
