"""A ROS domain that nobody on this machine uses: another node of the same name would answer in between."""

import random
import socket

# 0 is where everybody is who chose none. Above 101 the ports are those that the system gives to anybody (docs.ros.org,
# "The ROS_DOMAIN_ID").
DOMAINS = range(1, 102)


def in_use(domain):
    """Whether a participant listens: the first one of a domain has this port (RTPS 2.3, 9.6.1.1)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("0.0.0.0", 7410 + 250 * domain))
        except OSError:
            return True
    return False


def free_domain():
    """A free one, at random; any one when all are in use."""
    candidates = random.sample(DOMAINS, len(DOMAINS))
    return next((domain for domain in candidates if not in_use(domain)), candidates[0])
