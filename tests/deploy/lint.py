#!/usr/bin/env python3
"""Lints Dockerfile and docker-compose.yml without a container engine.

The compose file is read with PyYAML, which is installed into a private folder when missing.
"""
import importlib.util
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
faults = []
checked = 0


def check(holds, what):
    global checked
    checked += 1
    if not holds:
        faults.append(what)


def yaml_module():
    if importlib.util.find_spec("yaml") is None:
        folder = tempfile.mkdtemp(prefix="authdex-yaml-")
        subprocess.run(
            [sys.executable, "-m", "pip", "install", "-q", "--target", folder, "pyyaml==6.0.2"],
            check=True,
            stdout=sys.stderr,
        )
        sys.path.insert(0, folder)
    import yaml

    return yaml


def dockerfile():
    text = open(os.path.join(ROOT, "Dockerfile"), encoding="utf-8").read()
    joined = re.sub(r"\\\n", " ", text)
    lines = [line.strip() for line in joined.splitlines() if line.strip() and not line.startswith("#")]
    words = [line.split(None, 1) for line in lines]
    known = {"FROM", "RUN", "COPY", "WORKDIR", "USER", "VOLUME", "ENV", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT", "CMD"}
    check(all(word[0] in known for word in words), "Dockerfile: an unknown instruction")
    stages = [word[1] for word in words if word[0] == "FROM"]
    check(len(stages) == 2, "Dockerfile: a build stage and a final stage are expected")
    check(all(":" in stage and ":latest" not in stage for stage in stages), "Dockerfile: every base image names a version")
    last = lines[max(i for i, word in enumerate(words) if word[0] == "FROM"):]
    users = [line for line in last if line.startswith("USER")]
    check(bool(users) and not users[-1].split()[1].startswith(("root", "0")), "Dockerfile: the image must not run as root")
    check(any(line.startswith("HEALTHCHECK") for line in last), "Dockerfile: no health check")
    check(any(line.startswith("ENTRYPOINT [") for line in last), "Dockerfile: the entry point must be in exec form")
    check("apt-get install" not in "\n".join(last), "Dockerfile: the final image installs nothing")
    for line in lines:
        if "apt-get install" in line:
            check("--no-install-recommends" in line and "rm -rf /var/lib/apt/lists" in line, f"Dockerfile: {line[:60]}")
    for word in words:
        if word[0] == "COPY" and "--from" not in word[1]:
            for source in word[1].split()[:-1]:
                check(os.path.exists(os.path.join(ROOT, source)), f"Dockerfile: COPY of {source}, which does not exist")
    ignored = open(os.path.join(ROOT, ".dockerignore"), encoding="utf-8").read().split()
    for word in words:
        if word[0] == "COPY" and "--from" not in word[1]:
            for source in word[1].split()[:-1]:
                check("!" + source in ignored, f".dockerignore: {source} is copied but not let through")


def compose(yaml):
    document = yaml.safe_load(open(os.path.join(ROOT, "docker-compose.yml"), encoding="utf-8"))
    services = document["services"]
    check({"postgres", "migrate", "web", "worker"} <= set(services), "compose: a service is missing")
    named = set(document.get("volumes", {}))
    for name, service in services.items():
        check(":latest" not in str(service.get("image", "")), f"compose: {name} uses a moving tag")
        check("healthcheck" in service, f"compose: {name} has no health check")
        check(service.get("privileged") is not True, f"compose: {name} is privileged")
        for dependency, rule in service.get("depends_on", {}).items():
            check(dependency in services, f"compose: {name} depends on {dependency}, which does not exist")
            wanted = "service_completed_successfully" if dependency == "migrate" else "service_healthy"
            check(rule.get("condition") == wanted, f"compose: {name} must wait until {dependency} is {wanted}")
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("."):
                check(os.path.exists(os.path.join(ROOT, source)), f"compose: {name} mounts {source}, which does not exist")
            else:
                check(source in named, f"compose: {name} mounts {source}, which is not declared")
        if name != "postgres":
            check(service.get("read_only") is True, f"compose: {name} can write to its file system")
            check(service.get("cap_drop") == ["ALL"], f"compose: {name} keeps capabilities")
            check("DATABASE_URL" in service["environment"], f"compose: {name} has no DATABASE_URL")
    check(services["web"]["command"][-2:] == ["--role", "web"], "compose: web has another role")
    check(services["worker"]["command"][-2:] == ["--role", "worker"], "compose: worker has another role")
    for port in services["web"]["ports"]:
        check(port.startswith("127.0.0.1:"), "compose: the site is published on every interface by default")
    check("ports" not in services["postgres"], "compose: the database is published")
    text = open(os.path.join(ROOT, "docker-compose.yml"), encoding="utf-8").read()
    for literal in re.findall(r"(?m)^\s*[A-Z_]*(?:PASSWORD|SECRET|TOKEN)[A-Z_]*: *\"?([^\s\"]+)", text):
        check(literal.startswith("${"), "compose: a secret is written out")


dockerfile()
compose(yaml_module())
for fault in faults:
    print(fault)
print(f"{checked - len(faults)} passed, {len(faults)} failed")
sys.exit(1 if faults else 0)
