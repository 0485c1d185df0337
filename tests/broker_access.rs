//! Who may use a broker: logins that nobody else sees, TLS, and a broker that says no.
//!
//! Not here: brokers that fail (`broker`).

mod common;
mod rabbitmq;

use std::path::Path;
use std::process::{Command, Stdio};

use common::{Guard, Instance, SEQCAST, command_lines, signal, tool, unique, wait_for};
use nix::sys::signal::Signal::SIGINT;
use rabbitmq::{Broker, SMALL, bridge, camera, conditions, nowhere, relay, says, wait_bridge};
use shm_ring::Reader;

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn a_broker_that_says_no_says_what_to_do() {
    let broker = Broker::start();
    broker.ctl(&["add_user", "ann", "geheim"]);
    let as_ann = |exchange| broker.url_as("ann:geheim", exchange);
    let cases = [
        (
            broker.url_as("ann:falsch", "cam"),
            "SEQCAST_AMQP_AUTH=USER:PASSWORD",
        ),
        (as_ann("nowhere/cam"), "add_vhost nowhere"),
    ];
    for (url, words) in &cases {
        let (camera, relay) = (camera(url), relay(url));
        wait_bridge(&camera, words, conditions(words));
        relay.wait_until(words, says(words));
    }
    broker.ctl(&["set_permissions", "ann", "^seqcast", ".*", ".*"]);
    let words = "declare exchange name=cam type=fanout";
    let (camera, relay) = (camera(&as_ann("cam")), relay(&as_ann("cam")));
    wait_bridge(&camera, words, conditions(words));
    relay.wait_until(words, says(words));
    for instance in [&camera, &relay] {
        let shown = [
            instance.log(),
            instance.output(),
            instance.status().to_string(),
        ]
        .concat();
        assert!(
            !shown.contains("geheim") && !shown.contains("ann"),
            "{shown}"
        );
    }
    broker.ctl(&["set_permissions", "ann", "^(seqcast|cam)", "^seqcast", ".*"]);
    wait_bridge(
        &camera,
        "another no",
        conditions("this user may not use it: rabbitmqctl set_permissions"),
    );
    broker.ctl(&["set_permissions", "ann", "^(seqcast|cam)", ".*", ".*"]);
    relay.wait_live();
    wait_bridge(&camera, "confirms", |row| row["condition"] == "publishing");
    assert_eq!(camera.status()["totals"]["restarts"], 0);
}

/// What docs/rabbitmq.md says that a history takes, and no more.
#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn the_rights_that_a_history_takes() {
    let broker = Broker::start();
    // The exchange is there.
    let first = camera(&broker.url("cam"));
    wait_bridge(&first, "publishing", conditions("publishing"));
    drop(first);
    let rights = [
        ("eye", "^cam\\.history$", "^cam(\\.history)?$", "^cam$"),
        (
            "wall",
            "^cam\\.position\\.wall$",
            "^amq\\.default$",
            "^cam\\.(history|position\\.wall)$",
        ),
    ];
    for (user, configure, write, read) in rights {
        broker.ctl(&["add_user", user, "geheim"]);
        broker.ctl(&["set_permissions", user, configure, write, read]);
    }
    let to = broker.url_as("eye:geheim", "cam");
    let history = ["--publish", &to, "--publish-history", "1h,64M"];
    let eye = Instance::start(&[&SMALL[..], &history].concat());
    wait_bridge(&eye, "publishing", conditions("publishing"));
    let from = broker.url_as("wall:geheim", "cam");
    let wall = Instance::start(&["replay", &from, "--from", "next", "--position", "wall"]);
    wall.wait_live();
    assert!(wall.stop().0.success());
    let wall = Instance::start(&["replay", &from, "--position", "wall"]);
    wall.wait_live();
    let ring = Reader::attach(&format!("seqcast.{}.ring", wall.name)).unwrap();
    let first = ring.frame(1).unwrap().info().meta.sequence;
    assert!(first > 0, "a position was stored, and gone on from");
}

#[test]
fn a_login_shows_nowhere() {
    let url = |exchange| format!("amqp://ann:geheim@{}/{exchange}", nowhere());
    let args = [
        "--source",
        &url("in"),
        "--publish",
        &url("out"),
        "--log",
        "trace",
    ];
    let instance = Instance::start(&args);
    instance.wait_until("the reason", says("connection refused"));
    wait_bridge(&instance, "the reason", conditions("connection refused"));
    for shown in [
        command_lines(instance.guard.pid()),
        instance.status().to_string(),
        instance.log(),
    ] {
        assert!(shown.contains("/in") && shown.contains("/out"), "{shown}");
        assert!(!shown.contains("geheim"), "{shown}");
    }
    assert!(!instance.output().contains("geheim"));
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn a_login_from_the_environment_or_a_file() {
    let broker = Broker::start();
    broker.ctl(&["add_user", "ann", "ge:heim"]);
    broker.ctl(&["set_permissions", "ann", ".*", ".*", ".*"]);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("login");
    std::fs::write(&file, "ann:ge:heim\n").unwrap();
    let url = format!("amqp://127.0.0.1:{}/cam", broker.port);
    for (variable, value) in [
        ("SEQCAST_AMQP_AUTH", "ann:ge:heim"),
        ("SEQCAST_AMQP_AUTH_FILE", file.to_str().unwrap()),
    ] {
        let name = unique("login");
        let mut camera = Guard::spawn(
            Command::new(SEQCAST)
                .args(["--http", "127.0.0.1:0", "--name", &name, "--publish", &url])
                .args(SMALL)
                .env(variable, value)
                .stdin(Stdio::null())
                .stdout(Stdio::null()),
        );
        wait_for("confirms", || {
            let row = bridge(&common::status(&name).0)?;
            (row["frames"].as_u64() > Some(0)).then_some(())
        });
        signal(camera.pid(), SIGINT);
        assert!(camera.wait("a clean stop").success());
    }
}

/// Runs openssl in a directory.
fn openssl(dir: &Path, args: &str) {
    let mut command = Command::new(tool("openssl"));
    command.args(args.split(' ')).current_dir(dir);
    let out = command.output().unwrap();
    assert!(
        out.status.success(),
        "{args}: {}",
        String::from_utf8_lossy(&out.stderr)
    );
}

#[test]
#[ignore = "needs RabbitMQ and openssl: tests/run"]
fn over_tls_with_a_certificate_that_is_to_be_trusted() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    std::fs::write(at.join("san"), "subjectAltName=DNS:localhost").unwrap();
    openssl(
        at,
        "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /CN=test-ca -days 2",
    );
    openssl(
        at,
        "req -newkey rsa:2048 -nodes -keyout key.pem -out csr.pem -subj /CN=localhost",
    );
    openssl(
        at,
        "x509 -req -in csr.pem -CA ca.pem -CAkey ca.key -out cert.pem -days 2 -set_serial 7 -extfile san",
    );
    let broker = Broker::start_with(|port| {
        let file = at.join("tls.conf");
        let lines = [
            format!("listeners.ssl.1 = 127.0.0.1:{}", port + 4),
            format!("ssl_options.cacertfile = {}", at.join("ca.pem").display()),
            format!("ssl_options.certfile = {}", at.join("cert.pem").display()),
            format!("ssl_options.keyfile = {}\n", at.join("key.pem").display()),
        ];
        std::fs::write(&file, lines.join("\n")).unwrap();
        Some(file)
    });
    let url = format!("amqps://localhost:{}/cam", broker.port + 4);
    let trusting = format!("{url}?cacertfile={}", at.join("ca.pem").display());
    let (camera, relay) = (camera(&trusting), relay(&trusting));
    relay.wait_live();
    wait_bridge(&camera, "confirms", |row| row["frames"].as_u64() > Some(0));
    let stranger = self::relay(&url);
    stranger.wait_until("the reason", says("certificate"));
}

#[test]
fn what_cannot_be_an_address_is_said_in_a_line() {
    for (option, url, words) in [
        ("--publish", "amqp://ann:geheim@mq", "name an exchange"),
        ("--publish", "http://ann:geheim@mq/x", "amqp://"),
        (
            "--publish",
            "amqp://ann:geheim@mq/x?format=png&x=geheim",
            "format=jpeg",
        ),
        ("--source", "amqp://ann:geheim@mq:0/x", "port"),
        ("--source", "amqp://ann:geheim@mq/x?format=raw", "--publish"),
    ] {
        let (code, out, err) = common::run(&[option, url]);
        assert_eq!((code, err.lines().count()), (2, 1), "{out}{err}");
        assert!(err.contains(words) && !err.contains("geheim"), "{err}");
    }
    let circle = [
        "--source",
        "amqp://mq/x",
        "--publish",
        "amqp://ann:geheim@mq/%2f/x",
    ];
    let (code, _, err) = common::run(&circle);
    assert!(
        code == 2 && err.contains("in a circle") && !err.contains("geheim"),
        "{err}"
    );
}
