"""A private MariaDB: own data folder, port and socket, durability at its defaults.

Its temporary files lie in its own folder: a server that starts removes all of their kind in /tmp, those of others included.
"""
import getpass
import os
import shutil
import subprocess

from cluster.program import Failure, Program, free_port


def find(name):
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/libexec")
    if not path:
        raise Failure(f"{name} isn't installed; run tools/setup")
    return path


class PrivateServer:
    """What MariaDb and MySql share. A subclass sets product, folder, port, socket, user, installer, program and installed()."""

    def start(self):
        if not self.installed() and self.installer.start().wait(120) != 0:
            raise Failure(f"{self.installer.name} failed:\n{self.installer.tail()}")
        self.program.start()
        self.program.wait_ready(self.answers, 60, "it answers queries")
        self.query("create user if not exists root@'127.0.0.1'; grant all on *.* to root@'127.0.0.1' with grant option")
        return self

    def answers(self):
        return self.socket.exists() and self._client("select 1").returncode == 0

    def query(self, sql):
        done = self._client(sql)
        if done.returncode != 0:
            raise Failure(f"{self.product} refused {sql!r}: {done.stderr}")
        return [line.split("\t") for line in done.stdout.splitlines()]

    def _client(self, sql):
        return subprocess.run([find("mariadb"), "--no-defaults", f"--socket={self.socket}", "-uroot", "-N", "-B", "-e", sql],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)

    def drop_everything_replicated(self):
        """Back to an empty downstream, in a tenth of a second instead of a new instance."""
        ours = "('mysql','information_schema','performance_schema','sys')"
        for (schema,) in self.query(f"select schema_name from information_schema.schemata where schema_name not in {ours}"):
            quoted = schema.replace("`", "``")
            self.query(f"set foreign_key_checks = 0; drop database `{quoted}`")

    def stop(self):
        self.program.stop(60)

    def kill(self):
        self.installer.kill()
        self.program.kill()


class MariaDb(PrivateServer):
    product = "MariaDB"

    def __init__(self, folder, dies_with_us=True, extra=()):
        """`extra`: options of this server, which win over the usual ones."""
        self.folder, self.port = folder / "mariadb", free_port()
        self.socket = self.folder / "s.sock"
        self.user = "root"
        self.folder.mkdir(parents=True)
        self.installer = Program("mariadb-install-db", [
            find("mariadb-install-db"), "--no-defaults", f"--user={getpass.getuser()}", f"--datadir={self.folder}", f"--tmpdir={folder}",
            "--auth-root-authentication-method=normal", "--skip-test-db"], folder / "mariadb-install.log")
        self.program = Program("mariadb", [
            find("mariadbd"), "--no-defaults", f"--user={getpass.getuser()}", f"--datadir={self.folder}", f"--tmpdir={folder}",
            f"--port={self.port}",
            "--bind-address=127.0.0.1", f"--socket={self.socket}", f"--pid-file={self.folder}/m.pid",
            "--innodb-buffer-pool-size=256M", "--innodb-log-file-size=256M", "--max-allowed-packet=1G",
            "--character-set-server=utf8mb4", "--skip-name-resolve", *extra], folder / "mariadb.log", dies_with_us=dies_with_us)

    def installed(self):
        return (self.folder / "mysql").exists()
