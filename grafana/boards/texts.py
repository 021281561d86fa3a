"""Every text a dashboard shows, in each language. Descriptions take their numbers from the zone's limits."""

from typing import Final

LANGUAGES: Final = ("en", "de", "zh")
LANGUAGE_NAMES: Final = {"en": "English", "de": "Deutsch", "zh": "中文"}

_TEXTS: Final[dict[str, tuple[str, str, str]]] = {
    # the dashboard
    "zone_live": ("Zone live", "Zone live", "园区实时"),
    "zone_live_about": (
        "Is the zone all right now, who emits, what is wrong, can I trust it?",
        "Ist die Zone jetzt in Ordnung, wer emittiert, was stimmt nicht, kann ich den Zahlen trauen?",
        "园区现在正常吗？谁在排放？哪里有问题？数据可信吗？",
    ),
    "run": ("Run", "Lauf", "运行"),
    "zone": ("Zone", "Zone", "园区"),
    "basis": ("Scope 2 basis", "Basis Scope 2", "范围二核算基准"),
    "company": ("Company", "Unternehmen", "企业"),
    "zone_itself": ("(zone)", "(Zone)", "（园区）"),
    "alert_marks": ("Zone and critical alerts", "Zonen- und kritische Alarme", "园区告警和严重告警"),
    # status
    "status": ("Zone status", "Zonenstatus", "园区状态"),
    "status_about": (
        "{blind}: the newest value is older than {blind_min} min. {act}: a critical alert is open. {watch}: a warning is open."
        " The word says it as well as the colour.",
        "{blind}: Der neueste Wert ist älter als {blind_min} min. {act}: Ein kritischer Alarm ist offen."
        " {watch}: Eine Warnung ist offen. Das Wort sagt dasselbe wie die Farbe.",
        "{blind}：最新数值已超过 {blind_min} 分钟。{act}：有未解除的严重告警。{watch}：有未解除的警告。文字与颜色含义相同。",
    ),
    "blind": ("BLIND", "BLIND", "无数据"),
    "act": ("ACT", "HANDELN", "需处理"),
    "watch": ("WATCH", "BEACHTEN", "需关注"),
    "all_right": ("ALL RIGHT", "ALLES GUT", "正常"),
    "blind_why": ("no value for {blind_min} min", "seit {blind_min} min kein Wert", "{blind_min} 分钟无数值"),
    "all_right_why": ("no open alert", "kein offener Alarm", "无未解除告警"),
    "critical": ("critical", "kritisch", "严重"),
    "warning": ("warning", "Warnung", "警告"),
    "info": ("info", "Hinweis", "提示"),
    # intensity
    "intensity_now": ("Intensity now", "Intensität jetzt", "当前碳强度"),
    "intensity_now_about": (
        "Always the last 24 h. The newest window that at least {complete} of the metering covers and that is not older than"
        " {slowest_min} min; the live view instead where there is one. {limits}",
        "Immer die letzten 24 h. Das neueste Fenster, das zu mindestens {complete} von Messungen gedeckt und nicht älter als"
        " {slowest_min} min ist; stattdessen der Live-Wert, wo es ihn gibt. {limits}",
        "始终为最近 24 小时。取计量覆盖率不低于 {complete} 且不超过 {slowest_min} 分钟的最新时段；有实时值时取实时值。{limits}",
    ),
    "limit": (
        "{colour} from {value} g/kWh: rule {rule} of zone {zone}.",
        "{colour} ab {value} g/kWh: Regel {rule} der Zone {zone}.",
        "达到 {value} g/kWh 时为{colour}：园区 {zone} 的规则 {rule}。",
    ),
    "no_limit": (
        "Zone {zone} has no alert rule on its intensity.",
        "Die Zone {zone} hat keine Alarmregel zur Intensität.",
        "园区 {zone} 没有碳强度告警规则。",
    ),
    "amber": ("Amber", "Gelb", "琥珀色"),
    "magenta": ("Magenta", "Magenta", "品红色"),
    "no_reading": ("no current value", "kein aktueller Wert", "无当前数值"),
    "last_hour": ("Last full hour", "Letzte Stunde", "最近一小时"),
    "last_hour_about": (
        "Energy-weighted intensity of the hour up to the newest window with {complete} coverage, against the same hour of"
        " yesterday and of the same day last week: sum of emissions over sum of energy, never a mean of ratios.",
        "Energiegewichtete Intensität der Stunde bis zum neuesten Fenster mit {complete} Deckung, verglichen mit derselben Stunde"
        " gestern und am selben Tag der Vorwoche: Summe der Emissionen durch Summe der Energie, nie ein Mittel von Quotienten.",
        "截至覆盖率达 {complete} 的最新时段的一小时，按电量加权的碳强度，与昨天和上周同日同一小时比较：排放之和除以电量之和，不对比值取平均。",
    ),
    "vs_yesterday": ("vs yesterday", "ggü. gestern", "较昨天"),
    "vs_last_week": ("vs last week", "ggü. Vorwoche", "较上周同日"),
    "no_full_hour": ("nothing to compare", "kein Vergleich", "无可比时段"),
    "day_budget": ("Day so far", "Tag bisher", "今日进度"),
    "day_budget_about": (
        "CO₂e since midnight (zone day, {timezone}) as a share of the whole same day last week, and the share of the day that it"
        " covers. If the upper bar is longer, today emits faster. Empty while last week's day is less than {complete} covered.",
        "CO₂e seit Mitternacht (Zonentag, {timezone}) als Anteil am ganzen selben Tag der Vorwoche, und der Anteil des Tages, den"
        " das deckt. Ist der obere Balken länger, emittiert heute schneller. Leer, wenn der Vorwochentag unter {complete} gedeckt ist.",
        "自零点起（园区日，{timezone}）的 CO₂e 占上周同日全天的比例，以及对应的当日时间比例。上方条更长表示今天排放更快。上周同日覆盖率低于 {complete} 时为空。",
    ),
    "emitted": ("emitted", "emittiert", "已排放"),
    "day_gone": ("time", "Zeit", "时间"),
    # trust
    "trust": ("Can I trust it? (24 h)", "Kann ich dem trauen? (24 h)", "数据可信吗？（24 小时）"),
    "trust_about": (
        "complete: metered time over the time the registry expects, of the windows that even the slowest meter has reported"
        " (over {slowest_min} min old). estimated: share of the electricity. too late: readings refused as late. newest value: its age.",
        "vollständig: gemessene Zeit durch die nach dem Register erwartete, in den Fenstern, die auch der langsamste Zähler gemeldet"
        " hat (älter als {slowest_min} min). geschätzt: Anteil am Strom. zu spät: als verspätet abgewiesene Messwerte."
        " neuester Wert: sein Alter.",
        "完整：最慢的表也应已上报的时段（超过 {slowest_min} 分钟）内，已计量时间与登记应计量时间之比。估算：占电量的比例。迟到：因迟到被拒的读数。最新数值：距今时间。",
    ),
    "complete": ("complete", "vollständig", "完整"),
    "estimated": ("estimated", "geschätzt", "估算"),
    "too_late": ("too late", "zu spät", "迟到"),
    "newest_value": ("newest value", "neuester Wert", "最新数值"),
    # why
    "curve": (
        "Carbon intensity against yesterday and last week",
        "CO₂-Intensität gegen gestern und Vorwoche",
        "碳强度：与昨天和上周同日比较",
    ),
    "curve_about": (
        "Closed windows. Dashed blue: provisional, less than {complete} covered or at least {estimated} estimated."
        " Grey and violet: the same time yesterday and on the same day last week. {limits}",
        "Abgeschlossene Fenster. Blau gestrichelt: vorläufig, zu weniger als {complete} gedeckt oder zu mindestens {estimated}"
        " geschätzt. Grau und violett: dieselbe Zeit gestern und am selben Tag der Vorwoche. {limits}",
        "已关闭时段。蓝色虚线：暂定，覆盖率低于 {complete} 或估算比例不低于 {estimated}。灰色和紫色：昨天和上周同日的同一时刻。{limits}",
    ),
    "measured": ("measured", "gemessen", "实测"),
    "provisional": ("provisional", "vorläufig", "暂定"),
    "yesterday": ("yesterday", "gestern", "昨天"),
    "last_week": ("same day last week", "selber Tag Vorwoche", "上周同日"),
    "no_window": ("No closed window in this range", "Kein abgeschlossenes Fenster", "此范围内没有已关闭时段"),
    "wrong_now": ("What is wrong now", "Was jetzt nicht stimmt", "当前问题"),
    "wrong_now_about": (
        "Open alerts of the chosen companies and of the zone, worst first; one line for a rule and a company. Empty means: none.",
        "Offene Alarme der gewählten Unternehmen und der Zone, die schwersten zuerst; eine Zeile je Regel und Unternehmen."
        " Leer heißt: keine.",
        "所选企业和园区的未解除告警，最严重的在前；每条规则和企业一行。空白表示没有告警。",
    ),
    "severity": ("severity", "Schwere", "级别"),
    "who": ("who", "wer", "对象"),
    "what": ("what", "was", "问题"),
    "meters": ("meters", "Zähler", "表数"),
    "since": ("since", "seit", "持续"),
    "no_open_alert": ("No open alert", "Kein offener Alarm", "无未解除告警"),
    "only_company": ("Only ${__data.fields.%s}", "Nur ${__data.fields.%s}", "仅看 ${__data.fields.%s}"),
    "silent_channel": ("meter is silent", "Zähler meldet nichts", "电表无上报"),
    "stuck": ("value does not change", "Wert ändert sich nicht", "数值不变"),
    "impossible_value": ("impossible value", "unmöglicher Wert", "数值不可能"),
    "register_backwards": ("register runs backwards", "Zählwerk läuft rückwärts", "示数倒退"),
    "gap_too_long": ("gap too long to book", "Lücke zu lang zum Verbuchen", "缺口过长未入账"),
    "no_factor": ("no emission factor", "kein Emissionsfaktor", "缺少排放因子"),
    # who
    "sources": ("Power by source", "Leistung nach Quelle", "按来源的功率"),
    "sources_about": (
        "Mean power of closed windows, stacked: the upper edge is what the zone draws. Windows less than {complete} covered are"
        " left out, since their sums would be too small.",
        "Mittlere Leistung der abgeschlossenen Fenster, gestapelt: Die Oberkante ist der Bezug der Zone. Fenster mit weniger als"
        " {complete} Deckung fehlen, weil ihre Summen zu klein wären.",
        "已关闭时段的平均功率，堆叠显示：上沿为园区总用电功率。覆盖率低于 {complete} 的时段总和偏小，不予显示。",
    ),
    "grid": ("Grid import", "Netzbezug", "电网购入"),
    "own": ("Own generation", "Eigenerzeugung", "自发电"),
    "emitters": ("Who emits today (zone day, {timezone})", "Wer heute emittiert (Zonentag, {timezone})", "今日谁在排放（园区日，{timezone}）"),
    "emitters_about": (
        "Scope 1 + 2 on the chosen basis since local midnight, against the same hours of yesterday and of the same day last week."
        " A coloured cell on the right says that the numbers of its row are weak.",
        "Scope 1 + 2 auf der gewählten Basis seit Mitternacht, gegen dieselben Stunden gestern und am selben Tag der Vorwoche."
        " Eine farbige Zelle rechts sagt, dass die Zahlen ihrer Zeile schwach sind.",
        "按所选基准，自当地零点起的范围一和范围二排放，与昨天和上周同日的相同时段比较。右侧单元格着色表示该行数据较弱。",
    ),
    "today": ("today", "heute", "今日"),
    "share": ("share", "Anteil", "占比"),
    "last_24_h": ("last 24 h", "letzte 24 h", "最近 24 小时"),
    "no_window_today": ("No closed window today", "Heute kein abgeschlossenes Fenster", "今日没有已关闭时段"),
    # evidence
    "quality": ("Data quality by meter", "Datenqualität je Zähler", "各表数据质量"),
    "quality_about": (
        "The twelve registers with most missing, then most estimated windows in the range; a wide step shows its worst window."
        " Empty stretch: no row at all. 'missing' is a known gap.",
        "Die zwölf Zählwerke mit den meisten fehlenden, dann den meisten geschätzten Fenstern; ein breiter Schritt zeigt sein"
        " schlechtestes Fenster. Leere Strecke: gar keine Zeile. 'fehlt' ist eine bekannte Lücke.",
        "范围内缺失最多、其次估算最多的十二个寄存器；较宽的步长显示其中最差的时段。空白：没有任何记录。“缺失”是已知的缺口。",
    ),
    "corrected": ("corrected", "korrigiert", "已更正"),
    "missing": ("missing", "fehlt", "缺失"),
    "no_window_at_all": ("no closed window at all", "gar kein Fenster", "没有任何时段"),
    "none": ("(none)", "(keiner)", "（无）"),
    "rejected": ("Rejected readings by reason", "Abgewiesene Messwerte nach Grund", "按原因统计的被拒读数"),
    "rejected_about": (
        "Counted by the time they arrived. Zero-filled on purpose: zero rejected readings is a fact, not a gap. Unreadable:"
        " malformed, naive_time, too_large. Unknown: meter, register. Wrong: unit, range, grid, partition.",
        "Gezählt nach Eingang. Mit Absicht mit null gefüllt: Null abgewiesene Messwerte sind eine Tatsache, keine Lücke. Unlesbar:"
        " malformed, naive_time, too_large. Unbekannt: Zähler, Zählwerk. Falsch: Einheit, Bereich, Raster, Partition.",
        "按到达时间计数。零值是有意填充的：零条被拒是事实而非缺口。不可读：malformed、naive_time、too_large。未知：表、寄存器。错误：单位、范围、网格、分区。",
    ),
    "late": ("late", "verspätet", "迟到"),
    "future": ("future", "Zukunft", "未来时间"),
    "unreadable": ("unreadable", "unlesbar", "不可读"),
    "unknown": ("unknown", "unbekannt", "未知"),
    "wrong": ("wrong", "falsch", "错误"),
    "no_rejected": ("No reading was rejected", "Kein Messwert abgewiesen", "没有被拒读数"),
}  # fmt: skip


class Texts:
    """The texts of one language."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._at = LANGUAGES.index(language)

    def __call__(self, key: str, **values: object) -> str:
        """The text of `key`, its `{names}` replaced by `values`. Raises KeyError for an unknown key or a missing value."""
        text = _TEXTS[key][self._at]
        return text.format(**values) if values else text
