#!/usr/bin/env python3
"""Compares a MariaDB or MySQL instance with the recorded final state of a TiDB cluster, table by table.

The recording ("truth") is a tar, .zst accepted: one JSON-lines file a table, one array of texts a row, and summary.json with
each table's column types. Binary and bit columns are upper-case hex; floats have 6, doubles 15 significant digits; times are UTC.

Exit status: 0 every wanted table is equal, 1 at least one is not (or is missing), 2 wrong usage or no connection.
"""
import argparse
import collections
import io
import json
import subprocess
import sys
import tarfile

BINARY_TYPES = {"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"}
SIGNIFICANT_DIGITS = {"float": 6, "double": 15}


def quoted(name):
    return "`" + name.replace("`", "``") + "`"


def column_expression(name, kind):
    """SQL whose value is hex text, so that no value can be mistaken for NULL or a field separator."""
    column = quoted(name)
    if kind in BINARY_TYPES:
        return f"HEX({column})"
    if kind == "bit":
        return f"HEX(CAST(HEX({column}+0) AS CHAR))"
    if kind in SIGNIFICANT_DIGITS:
        return f"HEX(CAST(CAST({column} AS DOUBLE) AS CHAR))"
    return f"HEX(CONVERT(CAST({column} AS CHAR) USING utf8mb4))"


def normal(value, kind):
    """One spelling for what is one value: floats by significant digits, JSON by structure."""
    if value is None:
        return None
    if kind in SIGNIFICANT_DIGITS:
        # The recording rounds the largest double up to 1.79769313486232e+308, which would read back as infinity.
        number = max(-sys.float_info.max, min(float(value), sys.float_info.max))
        return f"%.{SIGNIFICANT_DIGITS[kind]}g" % (number + 0.0)
    if kind == "json":
        return json.dumps(json.loads(value), sort_keys=True, ensure_ascii=False)
    return value


def decode_field(field, kind):
    if field == "NULL":
        return None
    if kind in BINARY_TYPES:
        return field
    return normal(bytes.fromhex(field).decode("utf-8"), kind)


class Truth:
    """The recorded tables, read once."""

    def __init__(self, path):
        data = open(path, "rb").read()
        if path.endswith(".zst"):
            data = subprocess.run(["zstd", "-dcq"], input=data, stdout=subprocess.PIPE, check=True).stdout
        self.rows = {}
        self.columns = {}
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            for member in tar.getmembers():
                name = member.name.rsplit("/", 1)[-1]
                if name == "summary.json":
                    summary = json.load(tar.extractfile(member))
                    self.columns = {table: entry["columns"] for table, entry in summary.items()}
                elif name.endswith(".jsonl"):
                    lines = tar.extractfile(member).read().decode("utf-8").splitlines()
                    self.rows[name[: -len(".jsonl")]] = [json.loads(line) for line in lines if line]

    def expected(self, table):
        kinds = [kind for _, kind in self.columns[table]]
        return collections.Counter(tuple(normal(v, k) for v, k in zip(row, kinds)) for row in self.rows[table])


class Downstream:
    def __init__(self, host, port, user):
        self.command = ["mariadb", f"--host={host}", f"--port={port}", f"--user={user}", "--protocol=tcp", "--batch", "--quick",
                        "--skip-column-names", "--no-auto-rehash", "--default-character-set=utf8mb4", "--max-allowed-packet=1G",
                        "--init-command=SET time_zone='+00:00', sql_mode=''"]

    def query(self, sql):
        done = subprocess.run(self.command, input=sql.encode("utf-8"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        if done.returncode != 0:
            raise RuntimeError(done.stderr.decode("utf-8", "replace").strip())
        return done.stdout.decode("ascii").split("\n")[:-1]

    def place(self, table):
        """Schema and name: either may have a dot of its own, so the one that is there counts."""
        cuts = [i for i, c in enumerate(table) if c == "."]
        if len(cuts) > 1:
            whole = table.encode("utf-8").hex()
            found = self.query("SELECT HEX(table_schema), HEX(table_name) FROM information_schema.tables "
                               f"WHERE CONCAT(table_schema, '.', table_name) = CONVERT(x'{whole}' USING utf8mb4);")
            if found:
                return [bytes.fromhex(part).decode("utf-8") for part in found[0].split("\t")]
        return table[:cuts[0]], table[cuts[0] + 1:]

    def rows(self, table, columns):
        schema, name = self.place(table)
        expressions = ", ".join(column_expression(column, kind) for column, kind in columns)
        lines = self.query(f"SELECT {expressions} FROM {quoted(schema)}.{quoted(name)};")
        kinds = [kind for _, kind in columns]
        return collections.Counter(tuple(decode_field(f, k) for f, k in zip(line.split("\t"), kinds)) for line in lines)


def shown(row):
    text = json.dumps(row, ensure_ascii=False)
    return text if len(text) <= 300 else text[:297] + "..."


def compare_table(truth, downstream, table):
    expected = truth.expected(table)
    result = {"table": table, "rows_expected": sum(expected.values()), "rows": None, "equal": False, "difference": None}
    try:
        found = downstream.rows(table, truth.columns[table])
    except RuntimeError as error:
        result["difference"] = str(error)
        return result
    result["rows"] = sum(found.values())
    missing, extra = expected - found, found - expected
    result["equal"] = not missing and not extra
    if missing:
        result["difference"] = f"{sum(missing.values())} rows missing, first: {shown(min(missing, key=repr))}"
    if extra:
        text = f"{sum(extra.values())} rows too many or different, first: {shown(min(extra, key=repr))}"
        result["difference"] = "; ".join(filter(None, [result["difference"], text]))
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--truth", required=True, help="truth.tar or truth.tar.zst")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--user", default="root", help="its password comes from MYSQL_PWD")
    parser.add_argument("--tables", default="", help="only these, schema.table, comma-separated")
    parser.add_argument("--except", dest="excluded", default="", help="all but these, comma-separated")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()

    truth = Truth(arguments.truth)
    wanted = arguments.tables.split(",") if arguments.tables else sorted(truth.columns)
    wanted = [table for table in wanted if table not in arguments.excluded.split(",")]
    if unknown := [table for table in wanted if table not in truth.columns]:
        parser.error(f"not in the recording: {', '.join(unknown)}")
    downstream = Downstream(arguments.host, arguments.port, arguments.user)
    try:
        downstream.query("SELECT 1;")
    except (RuntimeError, FileNotFoundError) as error:
        parser.error(f"cannot query {arguments.host}:{arguments.port}: {error}")

    results = [compare_table(truth, downstream, table) for table in wanted]
    equal = sum(result["equal"] for result in results)
    if arguments.json:
        print(json.dumps({"tables": results, "equal": equal, "of": len(results)}, ensure_ascii=False, indent=1))
    else:
        width = max((len(result["table"]) for result in results), default=5)
        for result in results:
            rows = "-" if result["rows"] is None else result["rows"]
            verdict = "equal" if result["equal"] else f"NOT EQUAL: {result['difference']}"
            print(f"{result['table']:<{width}}  {rows:>7}  {verdict}")
        print(f"{equal} of {len(results)} tables equal")
    return 0 if equal == len(results) else 1


if __name__ == "__main__":
    sys.exit(main())
