//! The source against servers that misbehave, over real sockets.

use super::testing::Server;
use super::*;

/// Longer than anything may take that does not hang.
const HANG: Duration = Duration::from_secs(60);

fn open(server: &Server) -> HttpSource {
    let url = Url::parse(&server.url("/x?secret"), None).unwrap();
    HttpSource::new(&url, 100, Connector::default())
}

/// What comes next, in a word, the quiet in between left out.
fn next(source: &mut HttpSource) -> String {
    let begin = Instant::now();
    while begin.elapsed() < HANG {
        match source.next(1, Duration::from_millis(250)) {
            Ok(Event::Idle) => {}
            Ok(Event::Frame(grab)) => {
                let Image::Jpeg(jpeg) = grab.image else {
                    panic!("{grab:?}");
                };
                return String::from_utf8_lossy(jpeg).into_owned();
            }
            Ok(Event::Dropped(cause, n)) => return format!("{n} {}", cause.name()),
            Ok(Event::NoSignal(why)) => return format!("no signal: {why}"),
            Err(e) => return format!("failed: {e}"),
        }
    }
    panic!("nothing came");
}

#[test]
fn a_stream_with_gaps_and_a_placeholder_and_its_end() {
    let server = Server::start(|mut viewer| {
        viewer.request()?;
        viewer.stream()?;
        viewer.part("X-Seqcast-Frame: 5\r\n", b"a")?;
        viewer.part("X-Seqcast-Frame: 9\r\n", b"b")?;
        viewer.part("X-Seqcast-Signal: none\r\n", b"drawn")?;
        viewer.part("X-Seqcast-Frame: 10\r\n", b"c")?;
        viewer.send(b"--b\r\nContent-Length: 9\r\n\r\nbroken")
    });
    let mut source = open(&server);
    let seen: Vec<_> = (0..7).map(|_| next(&mut source)).collect();
    let url = server.url("/x?…");
    let wanted = [
        "a".to_owned(),
        "3 driver".to_owned(),
        "b".to_owned(),
        format!("no signal: {url}: it has no signal itself"),
        "c".to_owned(),
        "1 corrupt".to_owned(),
        format!("failed: {url}: the stream ended"),
    ];
    assert_eq!(seen, wanted);
    assert_eq!(source.granted().fps, 0.0);
}

#[test]
fn pictures_are_asked_for_over_one_connection_while_it_lasts() {
    let server = Server::start(|mut viewer| {
        // Three answers each; then it is closed without a word.
        for n in 0..3 {
            viewer.request()?;
            viewer.picture(format!("{} {n}", viewer.number).as_bytes())?;
        }
        Ok(())
    });
    let mut source = open(&server);
    let seen: Vec<_> = (0..7).map(|_| next(&mut source)).collect();
    assert_eq!(seen, ["0 0", "0 1", "0 2", "1 0", "1 1", "1 2", "2 0"]);
    assert_eq!(source.granted().fps, 100.0);
}

#[test]
fn a_redirect_is_followed_once_and_not_to_https() {
    let server = Server::start(|mut viewer| {
        let asked = viewer.request()?;
        if asked.starts_with("GET /a ") {
            return viewer.picture(b"found");
        }
        let to = match asked.split(' ').nth(1) {
            Some("/once") => "/a",
            Some("/tls") => "https://u:p@127.0.0.1/a?secret",
            _ => "/round",
        };
        viewer.send(format!("HTTP/1.1 302 x\r\nLocation: {to}\r\n\r\n").as_bytes())
    });
    let at = |path| {
        let url = Url::parse(&server.url(path), None).unwrap();
        HttpSource::new(&url, 100, Connector::default())
    };
    assert_eq!(next(&mut at("/once")), "found");
    let tls = next(&mut at("/tls"));
    let words = "redirects to https://127.0.0.1/a?…: https is not supported";
    assert!(tls.contains(words), "{tls}");
    let round = next(&mut at("/round"));
    assert!(
        round.ends_with("/round: it redirects more than once"),
        "{round}"
    );
}

#[test]
fn silence_is_told_from_no_answer_and_from_no_server() {
    let server = Server::start(|mut viewer| {
        viewer.request()?;
        if viewer.number == 0 {
            viewer.stream()?;
        }
        viewer.keep()
    });
    for wanted in ["silent for 4s", "no answer for 4s"] {
        let said = next(&mut open(&server));
        assert!(said.ends_with(wanted), "{said}");
    }
    let url = server.url("/");
    drop(server);
    let url = Url::parse(&url, None).unwrap();
    let said = next(&mut HttpSource::new(&url, 1, Connector::default()));
    assert!(said.ends_with("/: connection refused"), "{said}");
}

#[test]
fn a_trickle_holds_nothing_up_and_is_no_stream() {
    let server = Server::start(|mut viewer| {
        viewer.request()?;
        viewer.stream()?;
        loop {
            viewer.send(b"x")?;
            thread::sleep(Duration::from_millis(5));
        }
    });
    let mut source = open(&server);
    let begin = Instant::now();
    let mut waits = 0;
    while begin.elapsed() < Duration::from_secs(1) {
        let event = source.next(1, Duration::from_millis(50)).unwrap();
        assert!(matches!(event, Event::Idle), "{event:?}");
        waits += 1;
    }
    // Each was over in time, or nearly.
    assert!(waits >= 3, "{waits}");
    assert_eq!(server.accepted(), 1);
    let said = next(&mut source);
    assert!(said.ends_with("no picture for 10s"), "{said}");
}
