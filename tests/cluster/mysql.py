"""A private MySQL of the newest kind: Debian 12 has none, so Debian unstable's is unpacked beside and run with its own loader.

Nothing is installed. The unpacked tree (330 MB) is kept in $SLUICE_CACHE, else ~/.cache/sluice, and used again.
"""
import getpass
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

from cluster.mariadb import PrivateServer, find
from cluster.program import Program, free_port

PACKAGES = "mysql-server-core,libc6,libstdc++6,libgcc-s1"


class Unavailable(Exception):
    """There can be no MySQL here; the text says why. Tests are skipped with it."""


def cache_folder():
    return pathlib.Path(os.environ.get("SLUICE_CACHE") or pathlib.Path.home() / ".cache" / "sluice")


def mirror():
    """Where apt gets its packages on this machine."""
    for path in sorted([*pathlib.Path("/etc/apt").glob("*.list"), *pathlib.Path("/etc/apt/sources.list.d").glob("*.sources"),
                        *pathlib.Path("/etc/apt/sources.list.d").glob("*.list")]):
        if match := re.search(r"^(?:URIs:|deb(?: \[.*\])?)\s*(\S*debian\S*)", path.read_text(), re.MULTILINE):
            return match.group(1)
    raise Unavailable("MySQL: apt's sources name no Debian mirror")


def unpacked():
    """The tree with MySQL in it, fetched at first use."""
    tree = cache_folder() / "mysql-sid"
    if (tree / "usr/sbin/mysqld").exists():
        return tree
    if not shutil.which("mmdebstrap"):
        raise Unavailable(f"MySQL: {tree} isn't there and mmdebstrap isn't installed; run tools/setup")
    cache_folder().mkdir(parents=True, exist_ok=True)
    fresh = pathlib.Path(tempfile.mkdtemp(prefix="mysql-sid-", dir=cache_folder()))
    try:
        done = subprocess.run(
            ["mmdebstrap", "--mode=root", "--variant=extract", f"--include={PACKAGES}",
             "--aptopt=Acquire::Check-Valid-Until \"false\"", "sid", fresh / "tree", f"deb [trusted=yes] {mirror()} sid main"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=300)
        if done.returncode != 0 or not (fresh / "tree/usr/sbin/mysqld").exists():
            raise Unavailable(f"MySQL: mmdebstrap ended with {done.returncode}: {done.stdout[-500:]}")
        try:
            (fresh / "tree").rename(tree)
        except OSError:  # another test was first; its tree is as good
            if not (tree / "usr/sbin/mysqld").exists():
                raise
    except subprocess.TimeoutExpired:
        raise Unavailable("MySQL: mmdebstrap didn't end within 300 s") from None
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return tree


class MySql(PrivateServer):
    product = "MySQL"

    def __init__(self, folder, dies_with_us=True, options=()):
        tree = unpacked()
        lib = tree / "usr/lib/x86_64-linux-gnu"
        self.folder, self.port = folder / "mysql", free_port()
        self.socket = self.folder / "s.sock"
        self.user = "root"
        self.folder.mkdir(parents=True)
        server = [lib / "ld-linux-x86-64.so.2", "--library-path", f"{lib}:{tree}/usr/lib/mysql/private", tree / "usr/sbin/mysqld",
                  "--no-defaults", f"--user={getpass.getuser()}", f"--datadir={self.folder}/data", f"--tmpdir={self.folder}",
                  f"--lc-messages-dir={tree}/usr/share/mysql", f"--plugin-dir={tree}/usr/lib/mysql/plugin",
                  f"--character-sets-dir={tree}/usr/share/mysql/charsets"]
        self.installer = Program("mysql-initialize", [*server, "--initialize-insecure"], folder / "mysql-initialize.log")
        self.program = Program("mysql", [
            *server, f"--port={self.port}", "--bind-address=127.0.0.1", f"--socket={self.socket}", f"--pid-file={self.folder}/m.pid",
            "--mysqlx=OFF", "--secure-file-priv=", "--innodb-buffer-pool-size=256M", "--max-allowed-packet=1G", "--skip-name-resolve",
            *options], folder / "mysql.log", dies_with_us=dies_with_us)

    def installed(self):
        return (self.folder / "data").exists()
