"""Certificates and kubeconfigs as kubeadm makes them, by the openssl command."""

import base64
import os
import shutil

from . import namespaces

# kubeadm's subjects.
ADMIN = "/O=kubeadm:cluster-admins/CN=kubernetes-admin"
SUPER_ADMIN = "/O=system:masters/CN=kubernetes-super-admin"
OLD_ADMIN = "/O=system:masters/CN=kubernetes-admin"  # before 1.29


class Authority:
    """A cluster's CA, and what it has signed; everything in one directory, made once each."""

    def __init__(self, directory):
        self.directory = directory
        os.makedirs(directory, exist_ok=True)
        self.certificate = self._file("ca.crt")
        self.key = self._file("ca.key")
        self._openssl(
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650", "-subj", "/CN=kubernetes",
            "-keyout", self.key, "-out", self.certificate,
            "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,digitalSignature,keyEncipherment,keyCertSign",
        )  # fmt: skip

    def adopt(self, certificate, key):
        """From here on this is the CA, and nothing is signed yet."""
        for each in os.listdir(self.directory):
            os.remove(self._file(each))
        shutil.copy(certificate, self.certificate)
        shutil.copy(key, self.key)

    def forget(self, name):
        """What is signed under that name next is new."""
        for end in (".crt", ".key"):
            if os.path.exists(self._file(name + end)):
                os.remove(self._file(name + end))

    def _file(self, name):
        return os.path.join(self.directory, name)

    @staticmethod
    def _openssl(*arguments):
        namespaces.run("openssl", *arguments)

    def sign(self, name, subject, extensions, days=365):
        """(certificate file, key file)."""
        certificate, key, request, config = (self._file(f"{name}{end}") for end in (".crt", ".key", ".csr", ".ext"))
        if os.path.exists(certificate):
            return certificate, key
        with open(config, "w") as file:
            file.write("basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature,keyEncipherment\n" + extensions)
        self._openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", subject, "-keyout", key, "-out", request)
        self._openssl(
            "x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key, "-CAcreateserial",
            "-days", str(days), "-extfile", config, "-out", certificate,
        )  # fmt: skip
        return certificate, key

    def sign_from(self, name, subject, begin, end):
        """As sign() for a client, valid from and until these times (YYYYMMDDHHMMSSZ)."""
        certificate, key, request, config, index = (self._file(f"{name}{end_}") for end_ in (".crt", ".key", ".csr", ".ext", ".index"))
        with open(config, "w") as file:
            file.write(
                f"[ca]\ndatabase={index}\nnew_certs_dir={self.directory}\nserial={index}.serial\ndefault_md=sha256\npolicy=any\n"
                "[any]\ncommonName=supplied\n[client]\nextendedKeyUsage=clientAuth\n"
            )
        with open(index, "w"), open(f"{index}.serial", "w") as serial:
            serial.write("1000\n")
        self._openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", subject, "-keyout", key, "-out", request)
        self._openssl(
            "ca", "-batch", "-notext", "-config", config, "-name", "ca", "-extensions", "client", "-in", request, "-out", certificate,
            "-cert", self.certificate, "-keyfile", self.key, "-startdate", begin, "-enddate", end,
        )  # fmt: skip
        return certificate, key

    def server(self, node, addresses=(), name=None):
        """An API server's: SANs as kubeadm has them, and these addresses."""
        names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local", node]
        sans = [f"DNS:{each}" for each in names] + [f"IP:{each}" for each in ("10.96.0.1", *addresses)]
        return self.sign(name or f"apiserver-{node}", "/CN=kube-apiserver", f"extendedKeyUsage=serverAuth\nsubjectAltName={','.join(sans)}\n")

    def client(self, name, subject):
        return self.sign(name, subject, "extendedKeyUsage=clientAuth\n")

    def service_account_keys(self):
        """(public, private)"""
        public, private = self._file("sa.pub"), self._file("sa.key")
        if not os.path.exists(public):
            self._openssl("genrsa", "-out", private, "2048")
            self._openssl("rsa", "-in", private, "-pubout", "-out", public)
        return public, private

    def kubeconfig(self, name, subject, server, directory=None):
        """A kubeconfig file with the client certificate inline; its path."""
        certificate, key = self.client(name, subject)
        user = subject.rsplit("CN=", 1)[1]
        path = os.path.join(directory or self.directory, f"{name}.conf")
        with open(path, "w") as file:
            file.write(f"""apiVersion: v1
kind: Config
clusters:
- name: kubernetes
  cluster:
    certificate-authority-data: {_inline(self.certificate)}
    server: {server}
contexts:
- name: {user}@kubernetes
  context: {{cluster: kubernetes, user: {user}}}
current-context: {user}@kubernetes
users:
- name: {user}
  user:
    client-certificate-data: {_inline(certificate)}
    client-key-data: {_inline(key)}
""")
        os.chmod(path, 0o600)
        return path


def _inline(path):
    with open(path, "rb") as file:
        return base64.b64encode(file.read()).decode()
