"""Prints a Parquet file as lines of JSON, by a reader that shares nothing with the writer."""

import json
import sys

import pyarrow
import pyarrow.parquet

table = pyarrow.parquet.read_table(sys.argv[1])
for column in table.schema:
    if pyarrow.types.is_timestamp(column.type):
        if column.type.unit != "ms" or column.type.tz != "UTC":
            sys.exit(f"{column.name} is of type {column.type}")
for row in table.to_pylist():
    for name, value in row.items():
        if hasattr(value, "isoformat"):
            row[name] = value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    print(json.dumps(row))
