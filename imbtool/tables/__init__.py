"""Tables as files: csv, tsv, jsonl, json, parquet and data sets are read, four of them written."""

from imbtool.tables.cells import (
    COLUMN_MARK,
    ITEM_MARK,
    as_arrow,
    cell_text,
    is_list,
    joined_cells,
    neutralised,
    require_columns,
    require_text,
    shown_text,
    text_cells,
)
from imbtool.tables.datasets import (
    SPLIT_NAMES,
    dataset_splits,
    is_dataset,
    split_among,
    split_path,
)
from imbtool.tables.reading import (
    CHUNK_ROWS,
    Files,
    Table,
    place_of,
    read_arrow,
    read_chunks,
    read_table,
)
from imbtool.tables.sources import (
    FORMATS,
    is_there,
    names_table,
    separate_files,
    table_format,
    written_name,
)
from imbtool.tables.writer import TableWriter

__all__ = [
    "CHUNK_ROWS",
    "COLUMN_MARK",
    "FORMATS",
    "ITEM_MARK",
    "SPLIT_NAMES",
    "Files",
    "Table",
    "TableWriter",
    "as_arrow",
    "cell_text",
    "dataset_splits",
    "is_dataset",
    "is_list",
    "is_there",
    "joined_cells",
    "names_table",
    "neutralised",
    "place_of",
    "read_arrow",
    "read_chunks",
    "read_table",
    "require_columns",
    "require_text",
    "separate_files",
    "shown_text",
    "split_among",
    "split_path",
    "table_format",
    "text_cells",
    "written_name",
]
