"""Exports of annotation tools become flat tables: a module a tool."""

from imbtool.exports.recognition import export_of, read_export
from imbtool.exports.shape import Export

__all__ = ["Export", "export_of", "read_export"]
