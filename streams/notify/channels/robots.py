"""Channels through apprise: WeCom, DingTalk, Feishu, Lark, Teams, Slack, ntfy, SMS gateways and what else it knows.

Apprise answers yes or no, and yes also where WeCom and DingTalk answer HTTP 200 with an `errcode` that means no: their plugins do not look
at it. So what they were answered is kept, for one thread at a time, and looked at here; that touches the name `requests` of their modules.
"""

import threading
from types import ModuleType
from typing import Any, Final

from zonepulse.streams.notify.channels.apprise_log import errors_of
from zonepulse.streams.notify.messages.brief import Brief, Limit, fit
from zonepulse.streams.notify.routing.results import SENT, Result

LIMITS: Final = {
    "wecombot": Limit(2_048, True),
    "dingtalk": Limit(6_000, True),
    "feishu": Limit(18_000, True),
    "lark": Limit(18_000, True),
    "discord": Limit(1_900, False),
    "workflows": Limit(1_000, False),
    "ntfy": Limit(3_000, True),
    "ntfys": Limit(3_000, True),
}
"""Of a body, by the scheme of its URL. WeCom refuses texts of more than 2,048 bytes, DingTalk bodies of 20,000 with escapes of six bytes a
character, Feishu requests of 30 KB; Teams' plugin splits at 1,000 characters; ntfy's makes a
file of more than 8,000 bytes with escapes, Discord takes 2,000 characters with the subject. An SMS gateway's plugin says what it takes."""
MOST: Final = Limit(4_000, False)
UNCHECKED: Final = ("dingtalk", "wecombot")
"""Plugins that take HTTP 200 for success."""
SLOW_DOWN: Final = frozenset({45009, 45033, 130101, 410100, 11232, 9499})
"""What robots answer where too much was sent: WeCom, DingTalk, Feishu."""
SLOW_DOWN_S: Final = 60.0


class _Answers(threading.local):
    last: Any = None


_answers = _Answers()


class _Recording:
    """The module `requests`, which keeps the last answer of each thread."""

    def __init__(self, requests: ModuleType) -> None:
        self._requests = requests

    def __getattr__(self, name: str) -> Any:
        return getattr(self._requests, name)

    def post(self, *args: Any, **kwargs: Any) -> Any:
        """As requests does."""
        _answers.last = self._requests.post(*args, **kwargs)
        return _answers.last


def record_answers() -> None:
    """Lets the plugins that do not look at their answers leave them here."""
    from importlib import import_module

    for name in UNCHECKED:
        plugin: Any = import_module(f"apprise.plugins.{name}")
        if not isinstance(plugin.requests, _Recording):
            plugin.requests = _Recording(plugin.requests)


def send(url: str, subject: str, pieces: Brief) -> Result:
    """Hands a message to the service behind an apprise URL. Blocks."""
    from apprise import Apprise, NotifyFormat

    record_answers()
    with errors_of(*url.replace("/", " ").replace("@", " ").replace("?", " ").replace("=", " ").split()) as errors:
        service = Apprise.instantiate(url, suppress_exceptions=True)
        if service is None:
            return Result("failed", f"no apprise URL: {errors.text or 'its scheme or form is not known'}")
        scheme = url.partition(":")[0].lower()
        limit = LIMITS.get(scheme, Limit(min(MOST.most, service.body_maxlen), False))
        title = subject if service.title_maxlen else ""
        _answers.last = None
        is_ok = service.notify(body=fit(pieces, limit), title=title[: service.title_maxlen], body_format=NotifyFormat.TEXT)
        answered = _judged(_answers.last)
        if answered is not None:
            return answered
        return SENT if is_ok else Result("failed", errors.text or "the service did not take it")


def _judged(answer: Any) -> Result | None:
    """What a robot's answer means besides its HTTP status; None where it says nothing."""
    if answer is None:
        return None
    try:
        body = answer.json()
    except ValueError:
        return None
    code = body.get("errcode", body.get("code", 0)) if isinstance(body, dict) else 0
    if not isinstance(code, int) or code == 0:
        return None
    message = str(body.get("errmsg", body.get("msg", "")))[:200]
    return Result("failed", f"errcode {code}: {message}", SLOW_DOWN_S if code in SLOW_DOWN else None)
