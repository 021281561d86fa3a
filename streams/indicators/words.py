"""What is said about indicators, in the zone's three languages. Names of quantities stay as zone.yaml has them."""

from typing import Final

from zonepulse.processors.indicators.answers import Missing, Why
from zonepulse.processors.indicators.evaluate import Verdict
from zonepulse.processors.indicators.sums import Entity
from zonepulse.schemas.indicators.periods import YEAR_TO, parse_period
from zonepulse.schemas.registry.model import Text

COLUMNS: Final = ("indicator", "value", "unit", "electricity", "threshold", "verdict", "covered", "estimated", "remark")
HEADS: Final = {
    "en": COLUMNS,
    "de": ("Indikator", "Wert", "Einheit", "Strom", "Schwelle", "Urteil", "gedeckt", "geschätzt", "Bemerkung"),
    "zh": ("指标", "数值", "单位", "电力折标", "阈值", "判定", "覆盖率", "估算率", "备注"),
}
VERDICTS: Final[dict[Verdict, Text]] = {
    "met": {"en": "met", "de": "erreicht", "zh": "达标"},
    "missed": {"en": "missed", "de": "verfehlt", "zh": "未达标"},
    "none": {"en": "", "de": "", "zh": ""},
    "unverified": {"en": "not judged: unverified", "de": "kein Urteil: ungeprüft", "zh": "未判定：未经核实"},
    "case_by_case": {"en": "case by case", "de": "Einzelfall", "zh": "个案确定"},
    "unknown_size": {
        "en": "not judged: give annual_energy_tce",
        "de": "kein Urteil: annual_energy_tce angeben",
        "zh": "未判定：请提供 annual_energy_tce",
    },
}
ELECTRICITY: Final = {
    "equal": {"en": "equal value", "de": "Wärmewert", "zh": "当量值"},
    "equivalent": {"en": "equivalent value", "de": "Äquivalenzwert", "zh": "等价值"},
}
PROVISIONAL: Final = {"en": "provisional", "de": "vorläufig", "zh": "暂定"}
BECAUSE: Final = {
    "en": "not computable because {reasons}",
    "de": "nicht berechenbar, denn {reasons}",
    "zh": "无法计算，因为：{reasons}",
}
GAP: Final = {"en": "{gap} {unit} to the threshold", "de": "{gap} {unit} bis zur Schwelle", "zh": "距阈值 {gap} {unit}"}
_GIVE: Final = {
    "en": "give it in `inputs` of zone.yaml: {{quantity: {quantity}{company}, period: {written}, value: ...}}",
    "de": "in `inputs` von zone.yaml angeben: {{quantity: {quantity}{company}, period: {written}, value: ...}}",
    "zh": "请在 zone.yaml 的 `inputs` 中提供：{{quantity: {quantity}{company}, period: {written}, value: ...}}",
}
_REASONS: Final[dict[Why, Text]] = {
    "input": {"en": "{quantity} is missing; {give}", "de": "{quantity} fehlt; {give}", "zh": "缺少 {quantity}；{give}"},
    "input_gap": {
        "en": "{quantity} is missing from {about} on; {give}",
        "de": "{quantity} fehlt ab {about}; {give}",
        "zh": "自 {about} 起缺少 {quantity}；{give}",
    },
    "companies": {
        "en": "{quantity} is not given by {about}; let each give it, or {give}",
        "de": "{quantity} fehlt von {about}; jedes Unternehmen gibt es an, oder {give}",
        "zh": "{about} 未提供 {quantity}；请各企业提供，或{give}",
    },
    "no_meter": {
        "en": "nothing that measures {about} is registered; add its meter to zone.yaml",
        "de": "kein Zähler für {about} ist registriert; ihn in zone.yaml aufnehmen",
        "zh": "未登记 {about} 的计量表；请在 zone.yaml 中添加",
    },
    "no_rows": {
        "en": "the ledger has no rows of {about} in {period}; choose a period with readings, `zonepulse doctor` looks at the zone",
        "de": "das Hauptbuch hat für {period} keine Zeilen zu {about}; einen Zeitraum mit Messwerten wählen, sonst `zonepulse doctor`",
        "zh": "账本在 {period} 没有 {about} 的记录；请选择有读数的时段，或运行 `zonepulse doctor`",
    },
    "no_value": {
        "en": "no reading of {about} covers {period}; `zonepulse doctor` looks at the zone",
        "de": "kein Messwert von {about} deckt {period}; `zonepulse doctor` sieht nach",
        "zh": "{period} 内没有 {about} 的有效读数；请运行 `zonepulse doctor`",
    },
    "no_factor": {
        "en": "no emission factor answers for {about}; `zonepulse registry factors` shows which do, add one to `factors`",
        "de": "für {about} gibt es keinen Emissionsfaktor; `zonepulse registry factors` zeigt sie, in `factors` ergänzen",
        "zh": "{about} 没有可用的排放因子；`zonepulse registry factors` 可查看，请在 `factors` 中添加",
    },
    "no_coefficient": {
        "en": "no verified coal equivalent of {about} is known; meter it in GJ",
        "de": "für {about} ist kein geprüfter Kohleäquivalentwert bekannt; in GJ messen",
        "zh": "{about} 没有经核实的折标煤系数；请以 GJ 计量",
    },
    "fuel_fired": {
        "en": "electricity that {about} make from fuel would count twice; there is no remedy yet",
        "de": "Strom, den {about} aus Brennstoff erzeugt, zählte doppelt; dafür gibt es noch keine Abhilfe",
        "zh": "{about} 用燃料发电会被重复计算；暂无解决办法",
    },
    "no_boundary": {
        "en": "what leaves the zone is not metered; register its boundary meters",
        "de": "was die Zone verlässt, wird nicht gemessen; ihre Grenzzähler registrieren",
        "zh": "园区外送电量未计量；请登记边界计量表",
    },
    "zero": {
        "en": "{quantity} is zero in {period}; choose a period in which it is not",
        "de": "{quantity} ist in {period} null; einen Zeitraum wählen, in dem es das nicht ist",
        "zh": "{quantity} 在 {period} 为零；请选择不为零的时段",
    },
    "no_hour": {
        "en": "no hour of {period} is covered whole by readings of {about}; `zonepulse doctor` looks at the zone",
        "de": "keine Stunde von {period} ist ganz von Messwerten zu {about} gedeckt; `zonepulse doctor` sieht nach",
        "zh": "{period} 内没有任何一小时的 {about} 读数完整；请运行 `zonepulse doctor`",
    },
    "no_profile": {
        "en": "contracts {about} say no hours; give them `hourly` in `contracts` of zone.yaml",
        "de": "die Verträge {about} nennen keine Stunden; ihnen in `contracts` von zone.yaml `hourly` geben",
        "zh": "合同 {about} 没有逐时数据；请在 zone.yaml 的 `contracts` 中填写 `hourly`",
    },
    "short": {
        "en": "it needs a {about} at least; choose a longer --period",
        "de": "es braucht mindestens einen Zeitraum `{about}`; --period länger wählen",
        "zh": "至少需要一个 {about} 的时段；请选择更长的 --period",
    },
}


def reason(missing: Missing, entity: Entity, period: str, language: str) -> str:
    """Why there is no number, and how to get one."""
    company = f", company: {entity.id}" if entity.kind == "company" else ""
    last = period.removeprefix(YEAR_TO).partition("T")[0]  # of a year that ends with a month: its months are given one by one
    written = last if parse_period(last).kind == "month" else f'"{last}"'  # YAML takes the others for numbers and dates
    words = {
        "quantity": missing.quantity,
        "written": written,
        "company": company,
        "period": period,
        "about": ", ".join(missing.about),
    }
    return _REASONS[missing.why][language].format(**words, give=_GIVE[language].format(**words))
