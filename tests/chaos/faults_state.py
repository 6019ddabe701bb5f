"""What is on the host and in the cluster, changed under the agent's feet."""

import os
import time

from lab.certificates import Authority

from .fault import Fault
from .site import VIP


class DiskFull(Fault):
    """The file system of the cache and the history is filled, and a Node comes and goes, so that there is something to write."""

    name = "disk-full"
    weight = 2
    hold = (0.5, 2.0)

    def inject(self):
        self._filler = os.path.join(self.site.state_directory(self.host), "filler")
        try:
            with open(self._filler, "wb", buffering=0) as file:
                while True:
                    file.write(bytes(4096))
        except OSError:
            pass  # that is the point
        self.site.api.add_node("spare", self.site.spare.address)

    def heal(self):
        self.site.api.delete_node("spare")
        os.remove(self._filler)


class RulesFlushed(Fault):
    """`nft flush ruleset` by somebody else."""

    name = "nft-flushed"
    weight = 2
    hold = (0.2, 1.0)

    def inject(self):
        self.host.run("nft", "flush", "ruleset")

    def heal(self):
        pass


class VipDeleted(Fault):
    """Somebody removes the VIP from its holder, a few times."""

    name = "vip-deleted"
    weight = 4
    hold = (0.1, 0.5)

    def inject(self):
        for _ in range(self.random.randint(1, 4)):
            self.host.remove_address(f"{VIP}/32")
            time.sleep(self.random.uniform(0.01, 0.3))

    def heal(self):
        pass


class Churn(Fault):
    """Nodes come, go, lose their label, move."""

    name = "node-churn"
    weight = 6
    hold = (0.3, 2.0)

    def inject(self):
        self._how = self.random.choice(("deleted", "unlabelled", "another address", "a stranger joins"))
        self.detail = self._how
        api, name = self.site.api, self.host.name
        if self._how == "deleted":
            api.delete_node(name)
        elif self._how == "unlabelled":
            api.label_node(name, False)
        elif self._how == "another address":
            api.set_address(name, self.site.spare.address)
        else:
            api.add_node("spare", self.site.spare.address)

    def heal(self):
        api, name = self.site.api, self.host.name
        if self._how == "deleted":
            api.add_node(name, self.host.address)
        elif self._how == "unlabelled":
            api.label_node(name, True)
        elif self._how == "another address":
            api.set_address(name, self.host.address)
        else:
            api.delete_node("spare")


class Identity(Fault):
    """The kubeconfig is renewed, or for a while missing or one of another cluster."""

    name = "kubeconfig-swapped"
    weight = 3
    hold = (0.3, 2.0)

    def inject(self):
        self.detail = self.random.choice(("renewed", "missing", "of another cluster"))
        target = os.path.join(self.site.kubernetes_directory(self.host), "fairlead.conf")
        if self.detail == "renewed":
            self._renew()
        elif self.detail == "missing":
            os.remove(target)
        else:
            other = Authority(os.path.join(self.site.lab.directory, "other-pki"))
            self.site.put(self.host, other.kubeconfig("fairlead", "/CN=fairlead", self.site.plane.endpoint))

    def heal(self):
        self._renew()

    def _renew(self):
        authority = self.site.lab.authority
        for end in (".crt", ".key"):
            path = os.path.join(authority.directory, "fairlead" + end)
            if os.path.exists(path):
                os.remove(path)
        self.site.put(self.host, self.site.plane.user_conf("fairlead"))
