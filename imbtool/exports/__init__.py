"""Exports of annotation tools become flat tables: a module a tool."""
