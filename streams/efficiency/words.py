"""Why there is no baseline or saving, in the zone's three languages."""

from typing import Final

from zonepulse.processors.efficiency.baseline import Refused, Why
from zonepulse.schemas.registry.model import Text
from zonepulse.streams.indicators.words import BECAUSE

_REASONS: Final[dict[Why, Text]] = {
    "no_variables": {
        "en": "neither weather nor production is known; give --weather, or products in `inputs` of zone.yaml",
        "de": "weder Wetter noch Produktion ist bekannt; --weather angeben oder Produkte in `inputs` von zone.yaml",
        "zh": "既无天气数据也无产量数据；请提供 --weather，或在 zone.yaml 的 `inputs` 中填写产量",
    },
    "short": {
        "en": "a baseline needs twelve months, there are {0} days",
        "de": "eine Basislinie braucht zwölf Monate, es sind {0} Tage",
        "zh": "基线需要十二个月的数据，现有 {0} 天",
    },
    "late": {
        "en": "a baseline needs twelve months before the reporting period: it ends on {0}, the period begins on {1}",
        "de": "eine Basislinie braucht zwölf Monate vor dem Berichtszeitraum: Sie endet am {0}, der Zeitraum beginnt am {1}",
        "zh": "基线需要报告期之前的十二个月数据：基线止于 {0}，报告期始于 {1}",
    },
    "gaps": {
        "en": "more than a tenth of its days lack {0} ({1} days)",
        "de": "mehr als einem Zehntel der Tage fehlt: {0} ({1} Tage)",
        "zh": "超过十分之一的日期缺少{0}（{1} 天）",
    },
    "no_use": {
        "en": "no use of this carrier is metered then; `zonepulse doctor` looks at the zone",
        "de": "für diesen Energieträger ist kein Verbrauch gemessen; `zonepulse doctor` sieht nach",
        "zh": "该时段没有此能源品种的计量数据；请运行 `zonepulse doctor`",
    },
    "mean": {
        "en": "nothing explains the use better than its mean (tried: {about}); give what it depends on, such as products",
        "de": "nichts erklärt den Verbrauch besser als sein Mittelwert (versucht: {about}); angeben, wovon er abhängt, etwa Produkte",
        "zh": "没有变量比平均值更能解释用能（已尝试：{about}）；请提供影响因素，例如产量",
    },
    "not_accepted": {
        "en": "the model is not good enough: {about}",
        "de": "das Modell ist nicht gut genug: {about}",
        "zh": "模型未达到验收要求：{about}",
    },
    "static_change": {
        "en": "a static factor changed within the period ({about}); choose one that does not need both sides of it",
        "de": "ein statischer Faktor änderte sich im Zeitraum ({about}); einen wählen, der nicht beide Seiten braucht",
        "zh": "报告期内静态因素发生变化（{about}）；请选择不跨越该变化的时段",
    },
    "new_baseline": {
        "en": "a static factor changed on {0} ({1}): the new baseline is whole on {2}",
        "de": "ein statischer Faktor änderte sich am {0} ({1}): Die neue Basislinie ist am {2} vollständig",
        "zh": "静态因素于 {0} 发生变化（{1}）：新基线将于 {2} 完整",
    },
    "no_production": {
        "en": "what was made is not known of every day ({about}); give it in `inputs` of zone.yaml",
        "de": "die Produktion ist nicht für jeden Tag bekannt ({about}); in `inputs` von zone.yaml angeben",
        "zh": "并非每天的产量都已知（{about}）；请在 zone.yaml 的 `inputs` 中填写",
    },
    "no_days": {
        "en": "readings cover no day of the reporting period",
        "de": "kein Tag des Berichtszeitraums ist durch Messwerte gedeckt",
        "zh": "报告期内没有任何一天有足够的读数",
    },
    "whole_months": {
        "en": "a model of months needs whole months, {about} is none",
        "de": "ein Monatsmodell braucht ganze Monate, {about} ist keiner",
        "zh": "月度模型需要完整月份，{about} 不完整",
    },
}


_PARTS: Final[dict[str, Text]] = {
    "energy or production": {"en": "energy or production", "de": "Energie oder Produktion", "zh": "能耗或产量"},
    "weather": {"en": "weather", "de": "Wetter", "zh": "天气"},
    "degree days": {"en": "degree days", "de": "Gradtage", "zh": "度日数"},
    "weekends": {"en": "weekends", "de": "Wochenenden", "zh": "周末"},
}
"""What a reason names by a word of its own."""


def reason(refused: Refused, language: str = "en") -> str:
    """`not computable because ...`."""
    about = [_PARTS[part][language] if part in _PARTS else part for part in refused.about]
    text = _REASONS[refused.why][language].format(*about, about=", ".join(about))
    return BECAUSE[language].format(reasons=text)
