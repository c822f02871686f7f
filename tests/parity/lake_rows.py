"""Reads results: every table of a Paimon warehouse through pypaimon, as canonical rows by table name."""

from __future__ import annotations

from pathlib import Path

from compare import Row, canonical_rows


def read_warehouse(warehouse: Path) -> dict[str, list[Row]]:
    """Tables as `database.table`; a table without a snapshot has no rows."""
    return {name: _rows(table) for name, table in _tables(warehouse).items()}


def count_rows(warehouse: Path) -> int:
    """Of all tables together, by reading one column of each."""
    found = (_arrow(table, [table.fields[0].name]) for table in _tables(warehouse).values())
    return sum(columns.num_rows for columns in found if columns is not None)


def _tables(warehouse: Path) -> dict:
    from pypaimon import CatalogFactory

    catalog = CatalogFactory.create({"warehouse": str(warehouse)})
    names = sorted(f"{folder.parent.name.removesuffix('.db')}.{folder.name}" for folder in warehouse.glob("*.db/*") if (folder / "schema").is_dir())
    return {name: catalog.get_table(name) for name in names}


def _rows(table) -> list[Row]:
    columns = [field.name for field in table.fields]
    found = _arrow(table, columns)
    return canonical_rows(found.select(columns).to_pylist()) if found is not None else []


def _arrow(table, columns: list[str]):
    """None without a snapshot."""
    builder = table.new_read_builder().with_projection(columns)
    splits = builder.new_scan().plan().splits()
    return builder.new_read().to_arrow(splits) if splits else None
