"""The detectors in a few words for screens. What messages say of them is in streams/notify/messages."""

from typing import Final

from zonepulse.schemas.registry.model import Text

SHORT: Final[dict[str, Text]] = {
    "unusual": {"en": "unusual for this hour", "de": "ungewöhnlich für diese Stunde", "zh": "该时段数值异常"},
    "level_shift": {"en": "moved to another level", "de": "auf anderem Niveau", "zh": "用量水平改变"},
    "night_use": {"en": "base load creeps up", "de": "Grundlast steigt", "zh": "夜间基荷上升"},
    "zero_run": {"en": "zero for longer than ever", "de": "so lange wie nie null", "zh": "持续为零"},
    "reverse_flow": {"en": "flows the other way", "de": "fließt andersherum", "zh": "能量反向"},
    "off_hours": {"en": "in use out of hours", "de": "Verbrauch außer der Zeit", "zh": "非常规时段用能"},
    "wrong_unit": {"en": "wrong unit", "de": "falsche Einheit", "zh": "单位错误"},
    "wrong_ct": {"en": "wrong transformer", "de": "falscher Wandler", "zh": "互感器倍率错误"},
    "record": {"en": "beyond everything seen", "de": "jenseits alles Bisherigen", "zh": "超出历史范围"},
}
