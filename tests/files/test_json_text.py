"""Documents as JSON text: whole, valid, and short enough to read."""

import math

from imbtool.files.json_text import to_json


def test_a_document_is_written_with_a_line_for_each_key_and_each_row():
    document = {
        "a": [1, math.nan, "é"],
        "rows": [[1, 2], [math.inf, 3]],
        "none": {},
        2: [{"b": ()}],
    }
    assert to_json(document) == (
        '{\n  "a": [1, null, "é"],\n  "rows": [\n    [1, 2],\n    [null, 3]\n  ],\n'
        '  "none": {},\n  "2": [\n    {\n      "b": []\n    }\n  ]\n}'
    )
    assert to_json(document, indent=None) == (
        '{"a": [1, null, "é"], "rows": [[1, 2], [null, 3]], "none": {}, "2": [{"b": []}]}'
    )
