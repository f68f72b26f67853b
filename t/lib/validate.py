"""Holds documents against the JSON Schema that is shipped.

validate.py SCHEMA POINTER FILE...: a file holds one document; POINTER is ""
for the whole schema or "#/$defs/event". Members that the schema does not name
are an error here, and it has to require all that it names. Prints what is
wrong, and at last how many documents there were.
"""

import json
import sys

import jsonschema


def objects(node):
    """All schemas within that name members."""
    if isinstance(node, dict):
        if "required" in node and "properties" in node:
            yield node
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from objects(child)


def close(schema):
    """From here on nothing is allowed that has no name. Where two schemas
    make one object only the outer one can say so."""
    parts = [schema["$defs"]["event"], schema["$defs"]["incident"]]
    parts += schema["$defs"]["logged"]["anyOf"]
    for node in objects(schema):
        if node not in parts:
            node["unevaluatedProperties"] = False
    for name in ("events", "incidents"):
        schema["properties"][name]["items"]["unevaluatedProperties"] = False


def main(path, pointer, *files):
    with open(path, encoding="utf-8") as file:
        schema = json.load(file)
    jsonschema.Draft202012Validator.check_schema(schema)
    for node in objects(schema):
        if node["required"] != list(node["properties"]):
            print("not all are required of", list(node["properties"]))
    close(schema)
    if pointer:
        schema = {"$ref": pointer, "$defs": schema["$defs"]}
    validator = jsonschema.Draft202012Validator(schema)
    for name in files:
        with open(name, encoding="utf-8") as file:
            for error in validator.iter_errors(json.load(file)):
                print(name, error.json_path, error.message[:200])
    print(len(files), "documents")


main(*sys.argv[1:])
