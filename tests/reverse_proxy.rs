//! Behind a reverse proxy: who is shown, and a stream under a path.

mod common;
mod exact;

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};

use common::http::exchange;
use common::{Guard, Instance, wait_for};
use exact::{Judge, Parts, SMALL};

/// The viewer that is there, and by whom.
fn viewer(instance: &Instance, key: &str) -> (String, String) {
    let worker = instance.viewer(key);
    let text = |name: &str| worker[name].as_str().unwrap_or_default().to_owned();
    (text("viewer"), text("via"))
}

#[test]
fn a_proxy_on_this_machine_is_believed() {
    let instance = Instance::start(&["--source", "test", "--size", "320x240"]);
    let address = instance.address();
    let mut socket = common::http::connect(address);
    let request = "GET /stream?key=x HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Forwarded-For: 6.6.6.6, 192.0.2.7\r\n\r\n";
    socket.write_all(request.as_bytes()).unwrap();
    let (addr, via) = viewer(&instance, "x");
    assert_eq!(addr, "192.0.2.7");
    assert_eq!(via, socket.local_addr().unwrap().to_string());
    instance.wait_log(&format!("viewer 192.0.2.7 via {via} \"x\" came"));
    let reply = exchange(address, "HEAD /stream HTTP/1.0\r\n\r\n");
    assert_eq!(reply.header("X-Accel-Buffering"), Some("no"));
}

#[test]
#[ignore = "needs nginx: tests/run"]
fn under_a_path_of_nginx() {
    let instance = Instance::start(&["--source", "test", "--size", "320x240"]);
    let dir = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = port.local_addr().unwrap().to_string();
    drop(port);
    let conf = format!(
        "daemon off; master_process off; pid {dir}/pid; error_log {dir}/error.log;\n\
         events {{}}\n\
         http {{\n\
           access_log off;\n\
           client_body_temp_path {dir}/a; proxy_temp_path {dir}/b; fastcgi_temp_path {dir}/c;\n\
           uwsgi_temp_path {dir}/d; scgi_temp_path {dir}/e;\n\
           server {{\n\
             listen {at};\n\
             location /cam/ {{\n\
               proxy_pass http://{to}/;\n\
               proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n\
               proxy_read_timeout 1h;\n\
             }}\n\
           }}\n\
         }}\n",
        dir = dir.path().display(),
        to = instance.address(),
    );
    std::fs::write(dir.path().join("nginx.conf"), conf).unwrap();
    // Without a master: its worker outlives one that is killed.
    let _nginx = Guard::spawn(
        Command::new("nginx")
            .arg("-c")
            .arg(dir.path().join("nginx.conf"))
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .stdin(Stdio::null())
            .stderr(Stdio::null()),
    );
    wait_for("nginx", || TcpStream::connect(&at).ok());
    let mut socket = common::http::connect(&at);
    // Of HTTP/1.0, or nginx sends it in chunks.
    socket
        .write_all(b"GET /cam/stream?key=proxied HTTP/1.0\r\n\r\n")
        .unwrap();
    let mut parts = Parts::begin(socket).unwrap();
    let mut judge = Judge::new(SMALL);
    for _ in 0..100 {
        judge.part(&parts.next().unwrap());
    }
    assert!(judge.account.faults.is_empty(), "{:?}", judge.account);
    let (addr, via) = viewer(&instance, "proxied");
    assert_eq!(addr, "127.0.0.1");
    assert!(via.starts_with("127.0.0.1:"), "{via}");
}
