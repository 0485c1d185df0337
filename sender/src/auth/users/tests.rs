use proptest::prelude::*;

use super::*;

/// `openssl passwd -6 -salt saltstring 'Hello world!'`, `-5`, and `crypt(3)` with rounds.
const OPENSSL_6: &str = "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1";
const OPENSSL_5: &str = "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5";
const CRYPT_ROUNDS: &str = "$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v.";

fn parse(text: &str) -> Result<Users, BadLines> {
    Users::parse(text.as_bytes())
}

fn bad(text: &[u8]) -> String {
    Users::parse(text).unwrap_err().to_string()
}

#[test]
fn hashes_that_other_programs_made() {
    let text = format!(
        "# who may look\n\nann:{OPENSSL_6}\r\n  bob:{OPENSSL_5}:control\ncarl:{CRYPT_ROUNDS}:view"
    );
    let users = parse(&text).unwrap();
    assert_eq!((users.count(), users.controlling()), (3, 1));
    for user in users.all() {
        assert!(user.has_password(b"Hello world!"), "{user:?}");
        assert!(!user.has_password(b"Hello world"), "{user:?}");
        assert!(!user.has_password(b""), "{user:?}");
    }
    assert_eq!(users.costliest().unwrap().name, "carl");
}

#[test]
fn a_line_is_read_as_it_was_written() {
    for (rights, tail) in [(Rights::View, ""), (Rights::Control, ":control")] {
        let line = line("jörg", "geheim: ß", rights, [1; 12]).unwrap();
        assert!(line.ends_with(tail) && line.matches(':').count() == 1 + tail.len().min(1));
        let users = parse(&line).unwrap();
        assert_eq!(users.all()[0].rights, rights);
        assert!(users.all()[0].has_password("geheim: ß".as_bytes()));
    }
    for (name, password) in [
        ("", "x"),
        ("a:b", "x"),
        ("#a", "x"),
        (" a", "x"),
        ("a\n", "x"),
        ("a", ""),
        ("a", "x\ny"),
        (&"a".repeat(MAX_NAME + 1), "x"),
        ("a", &"x".repeat(MAX_PASSWORD + 1)),
    ] {
        assert!(
            line(name, password, Rights::View, [1; 12]).is_err(),
            "{name:?}"
        );
    }
}

#[test]
fn bad_lines_are_all_named_and_give_nothing_away() {
    let lines = [
        "ann".into(),
        format!(":{OPENSSL_6}"),
        "ann:hunter2".into(),
        format!("ann:{OPENSSL_6}:admin"),
        format!("ann:{OPENSSL_6}:view:control"),
        "ann:$y$j9T$salt$digest".into(),
        "ann:$6$salt".into(),
        format!("ann:{}", &OPENSSL_6[..80]),
        format!("ann:{OPENSSL_6}$"),
        "ann:$6$rounds=999$salt$x".into(),
        "ann:$6$rounds=999999999$salt$x".into(),
        "ann:$6$rounds=+5000$salt$x".into(),
        format!("ann:{}", OPENSSL_6.replace("saltstring", "salt string")),
        format!(
            "ann:{}",
            OPENSSL_6.replace("saltstring", "saltstringsaltstr")
        ),
        format!("ann:{OPENSSL_6}"),
        format!("ann:{OPENSSL_5}"),
    ];
    let said = bad(lines.join("\n").as_bytes());
    for number in (1..=14).chain([16]) {
        assert!(said.contains(&format!("line {number}: ")), "{said}");
    }
    assert!(!said.contains("line 15: "), "{said}");
    for secret in ["hunter2", "saltstring", "ann"] {
        assert!(!said.contains(secret), "{said}");
    }
    assert!(
        said.contains("line 3: the password is not hashed"),
        "{said}"
    );
    assert!(bad(b"\xff:x").starts_with("line 1: it is not UTF-8"));
    assert!(bad(b"").contains("names nobody"));
    assert!(bad(b"# ann\n\n").contains("names nobody"));
    assert!(bad("x\n".repeat(100).as_bytes()).ends_with("and 80 more"));
}

#[test]
fn there_is_a_bound() {
    let lines: Vec<_> = (0..=MAX_USERS)
        .map(|n| format!("u{n}:{OPENSSL_6}"))
        .collect();
    assert!(parse(&lines[..MAX_USERS].join("\n")).is_ok());
    assert_eq!(
        bad(lines.join("\n").as_bytes()),
        "line 1001: there are 1000 users already"
    );
}

proptest! {
    /// Whatever is in the file: no panic, and what is read keeps its bounds and never fails a hash for its form.
    #[test]
    fn hostile_files(lines in prop::collection::vec(hostile(), 0..6)) {
        if let Ok(users) = Users::parse(&lines.concat()) {
            for user in users.all() {
                prop_assert_eq!(check_name(&user.name), Ok(()));
                prop_assert!(ALLOWED_ROUNDS.contains(&user.rounds));
            }
        }
    }
}

fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        Just(b"ann:".to_vec()),
        Just(b"\n".to_vec()),
        Just(OPENSSL_6.as_bytes().to_vec()),
        Just(OPENSSL_5.as_bytes().to_vec()),
        Just(b"$6$rounds=".to_vec()),
        Just(b"5000$".to_vec()),
        Just(b":control".to_vec()),
        Just(b"#".to_vec()),
        prop::collection::vec(any::<u8>(), 0..10),
    ];
    prop::collection::vec(token, 0..4).prop_map(|tokens| tokens.concat())
}
