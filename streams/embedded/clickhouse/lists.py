"""What a reader of the embedded ClickHouse may use, by name: settings, table functions, tables of the catalog, formats.

What is not here is refused. It is what Grafana's ClickHouse plugin, clickhouse-go, clickhouse-connect and the commands of this project
send, and what does no more than they do.
"""

from typing import Final

READER_SETTINGS: Final = frozenset(
    """
max_execution_time max_memory_usage max_result_bytes max_result_rows max_block_size max_threads max_rows_to_read max_bytes_to_read
result_overflow_mode read_overflow_mode timeout_overflow_mode session_timezone date_time_input_format date_time_output_format
final extremes join_use_nulls readonly log_queries send_timeout receive_timeout connect_timeout http_send_timeout
http_receive_timeout http_connection_timeout output_format_arrow_string_as_string output_format_json_quote_64bit_integers
output_format_json_quote_denormals output_format_native_encode_types_in_binary_format
output_format_native_use_flattened_dynamic_and_json_serialization output_format_binary_write_json_as_string
""".split()  # noqa: SIM905
)
"""What a reader's client may set with a request; the bounds among them only downwards. None of them names a file, a schema, a URL or
a command."""

READER_TABLE_FUNCTIONS: Final = frozenset(
    name.casefold() for name in ("numbers", "numbers_mt", "generateSeries", "generate_series", "values", "view")
)
"""None of them leaves the statement. `merge` and `mergeTree...` are not among them: they pass by what holds for a table by its name."""

INNER_TABLE_FUNCTIONS: Final = READER_TABLE_FUNCTIONS | frozenset(
    name.casefold()
    for name in """
dictionary format generateRandom input loop merge mergeTreeAnalyzeIndexes mergeTreeAnalyzeIndexesUUID mergeTreeCodecBlockCounts
mergeTreeIndex mergeTreeProjection mergeTreeTextIndex null primes viewExplain viewIfPermitted zeros zeros_mt SQLStandardValues
""".split()  # noqa: SIM905
)
"""What a writer may use in a statement that is to change nothing: they touch no file and no server."""

READER_FORMATS: Final = frozenset(
    name.casefold()
    for name in """
Arrow ArrowStream Avro BSONEachRow CSV CSVWithNames CSVWithNamesAndTypes JSON JSONColumns JSONColumnsWithMetadata JSONCompact
JSONCompactColumns JSONCompactEachRow JSONCompactEachRowWithNames JSONCompactEachRowWithNamesAndTypes
JSONCompactEachRowWithProgress JSONCompactStrings JSONCompactStringsEachRow JSONCompactStringsEachRowWithNames
JSONCompactStringsEachRowWithNamesAndTypes JSONCompactStringsEachRowWithProgress JSONEachRow JSONEachRowWithProgress JSONL
JSONLines JSONObjectEachRow JSONStrings JSONStringsEachRow JSONStringsEachRowWithProgress LineAsString LineAsStringWithNames
LineAsStringWithNamesAndTypes Markdown MsgPack Native NDJSON Npy Null ORC Parquet Pretty PrettyCompact PrettyCompactMonoBlock
PrettyCompactNoEscapes PrettyCompactNoEscapesMonoBlock PrettyJSONEachRow PrettyJSONLines PrettyMonoBlock PrettyNDJSON
PrettyNoEscapes PrettyNoEscapesMonoBlock PrettySpace PrettySpaceMonoBlock PrettySpaceNoEscapes PrettySpaceNoEscapesMonoBlock Raw
RawBLOB RawWithNames RawWithNamesAndTypes RowBinary RowBinaryWithDefaults RowBinaryWithNames RowBinaryWithNamesAndTypes
RowBinaryWithNamesAndTypesAndDefaults SQLInsert TabSeparated TabSeparatedRaw TabSeparatedRawWithNames
TabSeparatedRawWithNamesAndTypes TabSeparatedWithNames TabSeparatedWithNamesAndTypes TSKV TSV TSVRaw TSVRawWithNames
TSVRawWithNamesAndTypes TSVWithNames TSVWithNamesAndTypes Values Vertical XML
""".split()  # noqa: SIM905
)
"""None of them takes a schema or a template out of a file."""

READER_SYSTEM_TABLES: Final = frozenset(
    """
aggregate_function_combinators collations columns current_roles data_type_families databases formats functions keywords numbers
numbers_mt one settings table_engines table_functions tables time_zones zeros zeros_mt
""".split()  # noqa: SIM905
)
"""Of database `system`."""

VISIBLE_COLUMNS: Final = {
    "tables": frozenset(
        """
database name table uuid engine engine_full is_temporary metadata_modification_time create_table_query as_select partition_key
sorting_key primary_key sampling_key unique_key comment dependencies_database dependencies_table
""".split()  # noqa: SIM905
    ),
    "columns": frozenset(
        """
database table name column type position default_kind default_expression comment is_in_partition_key is_in_sorting_key
is_in_primary_key is_in_sampling_key compression_codec character_octet_length numeric_precision numeric_precision_radix
numeric_scale datetime_precision
""".split()  # noqa: SIM905
    ),
    "databases": frozenset("database name engine uuid engine_full comment is_external".split()),  # noqa: SIM905
}
"""Catalog tables that tell paths and counts as well: what of them a reader may name. The others are whole."""

OUTPUT_TO_FILES: Final = frozenset({"output_format_schema", "input_format_record_errors_file_path"})
"""Settings by which a statement that only reads writes a file."""
