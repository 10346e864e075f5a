# test_deploy.py - what deploy/ ships: units, alarms, manual, completions, files made from tables.
# SPDX-License-Identifier: Apache-2.0
import json
import os
import re
import shutil
import socket
import struct
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
import yaml
from support import chatmill, proc

DEPLOY = proc.REPO / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
TIMERS = sorted((DEPLOY / "systemd").glob("*.timer"))


def run(*argv, **kw):
    return subprocess.run([str(a) for a in argv], capture_output=True, text=True, **kw)


@pytest.mark.parametrize("unit", UNITS, ids=lambda u: u.name)
def test_units_expose_little(unit):
    """systemd's own measure, 0 (best) to 10; 2.0 is promised."""
    done = run("systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", unit)
    assert done.returncode == 0, done.stdout
    assert "chatmill" in done.stdout.splitlines()[-1]
    bare = run("systemd-analyze", "security", "--offline=true", "--threshold=0", "--no-pager", unit)
    assert bare.returncode != 0, "the gate must be able to fail"


def settings(unit, section):
    """(name, value) of each line of a section."""
    body = re.search(rf"^\[{section}\]\n(.*?)(?=^\[|\Z)", unit.read_text(), re.M | re.S)[1]
    return [tuple(ln.split("=", 1)) for ln in body.splitlines() if ln and not ln.startswith("#")]


def test_systemd_reads_every_line_of_the_units(tmp_path):
    """Of services and timers; a misspelt key is a warning to it, an error here."""
    for unit in UNITS + TIMERS:
        (tmp_path / unit.name).write_text(unit.read_text().replace("/usr/bin/chatmill", str(chatmill.binary())))

    def verify():
        done = run("systemd-analyze", "verify", "--man=no", *sorted(tmp_path.iterdir()))
        return done.returncode, done.stdout + done.stderr
    assert verify() == (0, "")
    for name, right, wrong in (("chatmill-tick.service", "LogLevelMax=", "LogLevelMaximum="),
                               ("chatmill-tick.timer", "OnCalendar=", "OnCalender=")):
        text = (tmp_path / name).read_text()
        assert right in text
        (tmp_path / name).write_text(text.replace(right, wrong))
        assert verify() != (0, ""), "the gate must be able to fail"
        (tmp_path / name).write_text(text)


@pytest.mark.parametrize("unit", UNITS, ids=lambda u: u.name)
def test_secrets_of_a_unit_reach_the_program(unit, tmp_path):
    """The lines that are there to be uncommented: systemd and the program take them."""
    text = re.sub(r"^#(?=(?:LoadCredential|Environment)=)", "", unit.read_text(), flags=re.M)
    (tmp_path / unit.name).write_text(text.replace("/usr/bin/chatmill", str(chatmill.binary())))
    done = run("systemd-analyze", "verify", "--man=no", tmp_path / unit.name)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    said = settings(tmp_path / unit.name, "Service")
    for name in [value.split(":")[0] for key, value in said if key == "LoadCredential"]:
        (tmp_path / name).write_text("geheim\n")
    env = dict(value.strip('"').replace("%d", str(tmp_path)).split("=", 1) for key, value in said if key == "Environment")
    shown = chatmill.run("config", "show", "-c", DEPLOY / "chatmill.yaml", check=0, **env).stdout.decode()
    secrets = {name: value.removeprefix("{file: ").removesuffix("}") for name, value in env.items() if "PASSWORD" in name}
    assert len(secrets) == (2 if unit.stem == "chatmill-sink" else 1)
    assert shown.count(".password: ***  # environment") == len(secrets) and "geheim" not in shown
    if "CHATMILL_POSTGRES__PASSWORD" in secrets:
        assert password_sent(env) == b"geheim"
    for file in secrets.values():
        os.unlink(file)
        lacks = chatmill.run("config", "show", "-c", DEPLOY / "chatmill.yaml", check=78, **env)
        assert file in lacks.stderr.decode()
        open(file, "w").close()


def password_sent(env):
    """What the program says to a database that asks for the password in clear text."""
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as pool:
        server.settimeout(60)

        def ask():
            client, _ = server.accept()
            with client, client.makefile("rb") as said:
                client.settimeout(60)
                said.read(int.from_bytes(said.read(4), "big") - 4)
                client.sendall(b"R" + struct.pack(">ii", 8, 3))
                assert said.read(1) == b"p"
                return said.read(int.from_bytes(said.read(4), "big") - 4).rstrip(b"\0")
        asked = pool.submit(ask)
        chatmill.run("db", "status", "-c", DEPLOY / "chatmill.yaml", **env, CHATMILL_POSTGRES__HOST="127.0.0.1",
                     CHATMILL_POSTGRES__PORT=str(server.getsockname()[1]), CHATMILL_POSTGRES__SSLMODE="disable")
        return asked.result(60)


def test_units_are_hardened_alike():
    """What one of them is refused the others are refused too; run and sink may slow a thread down."""
    def hardening(unit):
        said = settings(unit, "Service")
        return said[[name for name, _ in said].index("NoNewPrivileges"):]
    first, *others = [hardening(u) for u in UNITS if u.stem != "chatmill-tick"]
    assert all(h == first for h in others) and len(first) > 30
    (more,) = [pair for pair in first if pair[0] == "SystemCallFilter" and "setpriority" in pair[1]]
    tick = DEPLOY / "systemd/chatmill-tick.service"
    assert hardening(tick) == [pair for pair in first if pair != more]
    assert "StateDirectory" not in dict(settings(tick, "Service"))


def test_each_timer_has_its_service():
    assert [t.stem for t in TIMERS] == ["chatmill-tick"]
    for timer in TIMERS:
        service = timer.with_suffix(".service")
        assert dict(settings(timer, "Install")) == {"WantedBy": "timers.target"}
        assert dict(settings(service, "Service"))["Type"] == "oneshot"
        assert "[Install]" not in service.read_text(), "only its timer starts it"


def test_a_tick_in_an_outage_is_no_failure(tmp_path):
    """The unit counts as success what tick ends with while no broker answers, and nothing that somebody
    has to mend. It needs no folder, no database, and says little."""
    service = dict(settings(DEPLOY / "systemd/chatmill-tick.service", "Service"))
    fine = set(map(int, service["SuccessExitStatus"].split()))
    (port,) = proc.free_ports(1)
    config = tmp_path / "chatmill.yaml"
    text = f'kafka: {{bootstrap.servers: "127.0.0.1:{port}"}}\nstate: {{dir: none}}\npostgres: {{host: none.invalid}}\n'
    config.write_text(text)
    nobody = chatmill.run("tick", "-c", config, cwd=tmp_path)
    assert nobody.returncode == 64 and 64 not in fine and b"input.corpid" in nobody.stderr
    config.write_text(text + "input: {corpid: ww1}\n")
    limit_min = int(re.fullmatch(r"(\d+)min", service["TimeoutStartSec"])[1])
    away = chatmill.run("tick", "-c", config, cwd=tmp_path, timeout_s=60 * limit_min)
    assert away.returncode in fine, away.stderr
    assert len(away.stderr.splitlines()) < int(service["LogRateLimitBurst"])
    assert not away.stdout and [f.name for f in tmp_path.iterdir()] == ["chatmill.yaml"]
    assert fine.isdisjoint({1, 65, 66, 70, 77, 78})


def test_alarms_fire_and_stay_quiet():
    """Each alarm has an input that wakes somebody and one that does not; all have their page."""
    rules = DEPLOY / "prometheus/alerts.yaml"
    assert run("promtool", "check", "rules", rules).returncode == 0
    done = run("promtool", "test", "rules", "alerts_test.yaml", cwd=rules.parent)
    assert done.returncode == 0, done.stdout + done.stderr
    page = (proc.REPO / "docs/operations.md").read_text()
    tested = {t["alertname"] for t in yaml.safe_load((rules.parent / "alerts_test.yaml").read_text())
              ["tests"][0]["alert_rule_test"] if t.get("exp_alerts")}
    for rule in yaml.safe_load(rules.read_text())["groups"][0]["rules"]:
        assert f"### {rule['alert']}\n" in page
        assert rule["annotations"]["runbook"].endswith("#" + rule["alert"].lower())
        assert rule["alert"] in tested


def test_manual_and_completions(tmp_path):
    """Made from the table of options: every command and option is there, and shells read them."""
    shown = chatmill.run("--help", check=0).stdout.decode()
    commands = re.findall(r"^  (\S.*?)\s{2,}", shown, re.M)
    assert len(commands) > 10
    out = {f: chatmill.run("describe", "--format", f, check=0).stdout.decode()
           for f in ("man", "bash", "zsh", "fish")}
    (tmp_path / "chatmill.1").write_text(out["man"])
    done = run("man", "--warnings", "-l", tmp_path / "chatmill.1", env={"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin",
                                                                     "MANWIDTH": "100"})
    assert done.returncode == 0 and not done.stderr, done.stderr
    for command in commands:
        assert f"chatmill {command}" in done.stdout
    (tmp_path / "bash").write_text(out["bash"])

    def complete(*words):
        quoted = " ".join(f"'{w}'" for w in words)
        script = (f". {tmp_path / 'bash'}; COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _chatmill; "
                  'printf "%s\\n" "${COMPREPLY[@]}"')
        done = run("bash", "--norc", "-c", script)
        assert done.returncode == 0 and not done.stderr, done.stderr
        return done.stdout.split()
    assert complete("chatmill", "sc") == ["scan"]
    assert complete("chatmill", "rules", "ch") == ["check"]
    assert "--summary" in complete("chatmill", "scan", "--s")
    assert "--publish" in complete("chatmill", "run", "--p")
    for shell in ("zsh", "fish"):
        assert out[shell]
        if shutil.which(shell):
            (tmp_path / shell).write_text(out[shell])
            assert run(shell, "-n", tmp_path / shell).returncode == 0


def test_the_example_and_the_schema_agree():
    import jsonschema
    schema = json.loads((proc.REPO / "schemas/config.schema.json").read_text())
    jsonschema.Draft7Validator.check_schema(schema)
    check = jsonschema.Draft7Validator(schema)
    example = yaml.safe_load((DEPLOY / "chatmill.yaml").read_text())
    assert check.is_valid(example)
    for bad in ({"pipelin": "x"}, {"workers": 0}, {"workers": "two"}, {"input": {"topic": "a b"}},
                {"state": {"memory": "7 days"}}, {"evidence": "all"}, {"sink": {"archive": "yes"}}):
        assert not check.is_valid(bad), bad


def test_version_names_the_libraries():
    said = chatmill.run("--version", check=0).stdout.decode()
    for name, package in (("librdkafka", "librdkafka1"), ("hyperscan", "libhyperscan5"), ("zstd", "libzstd1"),
                          ("libmicrohttpd", "libmicrohttpd12"), ("libpq", "libpq5")):
        version = run("dpkg-query", "-W", "-f", "${Version}", package).stdout
        mine = re.search(rf"^{name} ([\d.]+)", said, re.M)
        assert mine and version.startswith(mine[1]), (name, version, said)


def schemas():
    """Shapes of Kubernetes' objects, by version: tests/support/kubernetes_schema.py says where from."""
    import jsonschema
    for file in sorted((proc.REPO / "tests/schemas").glob("kubernetes-*.json")):
        definitions = json.loads(file.read_text())["definitions"]

        def check(o, definitions=definitions):
            (kind,) = [k for k, d in definitions.items() if {"group": (o["apiVersion"].split("/")[:-1] or [""])[0],
                       "kind": o["kind"], "version": o["apiVersion"].split("/")[-1]} == identity(k, d)]
            return list(jsonschema.Draft7Validator({"$ref": f"#/definitions/{kind}", "definitions": definitions})
                        .iter_errors(o))
        yield file.stem, check


def identity(name, definition):
    """Group, version and kind of a definition: io.k8s.api.apps.v1.StatefulSet is apps/v1."""
    *_, group, version, kind = name.split(".")
    return {"group": "" if group == "core" else group, "version": version, "kind": kind} if (
        "apiVersion" in definition.get("properties", {})) else None


def test_pods_fit_their_schemas():
    """The oldest and the newest Kubernetes whose shapes are here take every object; strict, so that a
    misspelt field is found."""
    text = (DEPLOY / "kubernetes/chatmill.yaml").read_text()
    versions = list(schemas())
    assert len(versions) >= 2
    for version, check in versions:
        for o in yaml.safe_load_all(text):
            assert not check(o), (version, o["kind"], check(o))
        for right, wrong in (("readOnlyRootFilesystem: true", "readOnlyRootFileSystem: true"),
                             ("replicas: 2", "replicas: two"), ("maxUnavailable: 1", "maxUnavailabel: 1"),
                             ("containerPort: 9464", "containerPort: http"),
                             ("concurrencyPolicy: Forbid", "concurencyPolicy: Forbid")):
            assert right in text
            assert any(check(o) for o in yaml.safe_load_all(text.replace(right, wrong))), (version, wrong)


def pods():
    """Kind and shape of every pod that is shipped."""
    for o in yaml.safe_load_all((DEPLOY / "kubernetes/chatmill.yaml").read_text()):
        if o["kind"] == "StatefulSet":
            assert o["spec"]["selector"]["matchLabels"] == o["spec"]["template"]["metadata"]["labels"]
            yield o["kind"], o["spec"]["template"]["spec"]
        elif o["kind"] == "CronJob":
            yield o["kind"], o["spec"]["jobTemplate"]["spec"]["template"]["spec"]


def test_pods_are_locked_down_and_probed():
    """What this project promises of them."""
    objects = list(yaml.safe_load_all((DEPLOY / "kubernetes/chatmill.yaml").read_text()))
    kinds = sorted(o["kind"] for o in objects)
    assert kinds == ["CronJob"] + ["PodDisruptionBudget"] * 2 + ["Service"] * 2 + ["StatefulSet"] * 2
    commands = []
    for kind, pod in pods():
        assert pod["securityContext"]["runAsNonRoot"] and not pod["automountServiceAccountToken"]
        assert pod["enableServiceLinks"] is False, "a Service called chatmill-… would set CHATMILL_…"
        (c,) = pod["containers"]
        assert c["securityContext"] == {"readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False,
                                        "capabilities": {"drop": ["ALL"]}}
        assert chatmill.run(c["args"][0], "--help").returncode == 0
        commands.append(c["args"][0])
        if kind == "StatefulSet":
            assert pod["terminationGracePeriodSeconds"] > 30
            assert c["livenessProbe"]["httpGet"]["path"] == "/livez"
            assert c["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert sorted(commands) == [u.stem.split("-")[1] for u in UNITS], "the same services as under systemd"


def test_the_job_ticks_as_the_timer_does():
    """Once a minute, one at a time, never tried again before the next minute."""
    (job,) = [o["spec"] for o in yaml.safe_load_all((DEPLOY / "kubernetes/chatmill.yaml").read_text())
              if o["kind"] == "CronJob"]
    timer = dict(settings(DEPLOY / "systemd/chatmill-tick.timer", "Timer"))
    assert (job["schedule"], timer["OnCalendar"]) == ("* * * * *", "minutely")
    assert job["concurrencyPolicy"] == "Forbid" and job["jobTemplate"]["spec"]["backoffLimit"] == 0
    service = dict(settings(DEPLOY / "systemd/chatmill-tick.service", "Service"))
    assert service["TimeoutStartSec"] == f"{job['jobTemplate']['spec']['activeDeadlineSeconds'] // 60}min"
    (c,) = job["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    assert service["ExecStart"].split()[1:] == c["args"]


def test_the_containerfile_fits_the_repository():
    """No container is built here (the package that it installs is, in a bare Debian: test_debootstrap.py),
    but all that it names has to be there."""
    lines = (DEPLOY / "Containerfile").read_text().replace("\\\n", " ").splitlines()
    steps = [ln.split(None, 1) for ln in lines if ln and not ln.startswith("#")]
    said = {word: [rest for w, rest in steps if w == word] for word, _ in steps}
    stages = re.findall(r" AS (\w+)", "\n".join(said["FROM"]))
    for rest in said["COPY"]:
        *sources, _ = [w for w in rest.split() if not w.startswith("--from=")]
        stage = re.match(r"--from=(\w+) ", rest)
        assert stage[1] in stages if stage else all((proc.REPO / source).exists() for source in sources), rest
    words = " ".join(said["RUN"]).replace("&&", " ").split()
    ours = [w for w in words if "/" in w and not w.startswith("/")]
    assert ours == ["tests/support/install.sh", "deploy/deb/build.sh"]
    assert all(os.access(proc.REPO / w, os.X_OK) for w in ours)
    group = words[words.index(ours[0]) + 1]
    assert "meson" in run(proc.REPO / ours[0], "--list", group).stdout.split()
    assert words[words.index("dpkg-dev") + 1] == ours[1], "the package's maker needs dpkg-dev"
    out = words[words.index(ours[1]) + 1]
    assert any(rest.startswith(f"--from=build {out}/ ") for rest in said["COPY"])
    (user,), uid = said["USER"], words[words.index("--uid") + 1]
    assert user == f"{uid}:{uid}"
    assert {pod["securityContext"]["runAsUser"] for _, pod in pods()} == {int(uid)}
    env = dict(pair.split("=", 1) for rest in said["ENV"] for pair in rest.split())
    assert env["CHATMILL_STATE__DIR"] in said["VOLUME"]
    assert env["CHATMILL_HTTP__LISTEN"].split(":")[1] in said["EXPOSE"]
    shown = chatmill.run("config", "show", "-c", DEPLOY / "chatmill.yaml", check=0, **env).stdout.decode()
    assert all(value in shown for value in env.values())


def test_no_image_is_built_of_what_git_ignores():
    """COPY takes the folder as it is: with builds and the cache of tests these are gigabytes."""
    left_out = (proc.REPO / ".dockerignore").read_text().split()
    ignored = (proc.REPO / ".gitignore").read_text().split()
    whole = [name.strip("/") for name in ignored if name.startswith("/") or name == ".venv/"]
    assert {*whole, ".git"} <= set(left_out)


def test_what_is_no_build_folder_is_not_built_in(tmp_path):
    """Each build begins with an empty folder: one that holds something else stays as it is."""
    (tmp_path / "letters").write_text("kept")
    done = run(DEPLOY / "build.sh", tmp_path)
    assert done.returncode == 64 and str(tmp_path) in done.stderr
    assert [f.name for f in tmp_path.iterdir()] == ["letters"]
    assert run(DEPLOY / "build.sh").returncode == 64


@pytest.mark.long
def test_the_package_installs_and_goes(tmp_path):
    """apt install ./chatmill_*.deb on this machine; afterwards it is as it was."""
    if os.geteuid() != 0:
        pytest.skip("installing a package needs root")
    if shutil.which("chatmill", path="/usr/bin") or run("dpkg-query", "-W", "chatmill").returncode == 0:
        pytest.skip("a package chatmill is installed here already")
    done = run(DEPLOY / "deb/build.sh", tmp_path)
    assert done.returncode == 0, done.stderr
    package = done.stdout.strip().splitlines()[-1]
    env = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    try:
        done = run("apt-get", "install", "-q", "-y", "--no-install-recommends", package, env=env)
        assert done.returncode == 0, done.stdout + done.stderr
        said = run("/usr/bin/chatmill", "--version")
        assert said.returncode == 0 and said.stdout == chatmill.run("--version").stdout.decode()
        assert run("/usr/bin/chatmill", "config", "check", "-c", "/etc/chatmill/chatmill.yaml", env=chatmill.environment()).returncode == 0
        assert run("/usr/bin/chatmill", "rules", "check", "/usr/share/chatmill/rules", env=chatmill.environment()).returncode == 0
        assert run("man", "-w", "chatmill").returncode == 0
        units = [f"/usr/lib/systemd/system/{u.name}" for u in UNITS + TIMERS]
        assert set(units) <= set(run("dpkg", "-L", "chatmill").stdout.splitlines())
        done = run("systemd-analyze", "verify", *units)
        assert done.returncode == 0 and not done.stdout + done.stderr, done.stdout + done.stderr
    finally:
        run("apt-get", "purge", "-q", "-y", "chatmill", env=env)
    assert not shutil.which("chatmill", path="/usr/bin")
