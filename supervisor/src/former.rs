//! Flags of ustreamer and mjpg_streamer that somebody may still type, and what is ours instead.
//!
//! Only those that are none of ours: `-d`, `-r`, `-f` and `-q` mean the same here. The whole table, for reading, is
//! docs/from-ustreamer.md.

use Here::{Is, Lacks, Not};

/// What takes the place of a flag, as a half sentence; none: nobody had such a flag.
pub fn ours(flag: &str) -> Option<String> {
    let of = match flag {
        "-o" | "--output" => "mjpg_streamer",
        "-i" => "ustreamer and mjpg_streamer",
        _ => "ustreamer",
    };
    let (_, here) = TABLE.iter().find(|(flags, _)| flags.contains(&flag))?;
    Some(match *here {
        Here::Is(ours) => format!("{flag} of {of} is {ours} here"),
        Here::Not(why) => format!("{flag} of {of} is not needed here: {why}"),
        Here::Lacks(why) => format!("{flag} of {of} has no counterpart here: {why}"),
    })
}

#[derive(Clone, Copy)]
enum Here {
    /// It is called otherwise.
    Is(&'static str),
    /// What it is for goes without.
    Not(&'static str),
    /// There is nothing like it.
    Lacks(&'static str),
}

const PLAIN_LOG: &str = "--log LEVEL (error, warn, info, debug, trace)";
const CONTROL: &str = "--control NAME=VALUE, named as v4l2-ctl prints it,";
const SINK: &str = "the ring in shared memory, which --ring-group opens to a group,";
const ONE_WAY: &str = "buffers are mapped, and as many as the driver wants";

#[rustfmt::skip]
const TABLE: &[(&[&str], Here)] = &[
    (&["--device"], Is("--source")),
    (&["-i"], Is("--source (for ustreamer's input number: v4l2-ctl --set-input)")),
    (&["--input"], Lacks("choose it with v4l2-ctl --set-input")),
    (&["--resolution"], Is("--size")),
    (&["-m"], Is("--format")),
    (&["--desired-fps"], Is("--fps")),
    (&["-a", "--tv-standard"], Lacks("set it with v4l2-ctl --set-standard")),
    (&["-I", "--io-method", "-b", "--buffers"], Not(ONE_WAY)),
    (&["-z", "--min-frame-size"], Not("each JPEG is checked as a whole")),
    (&["-T", "--allow-truncated-frames"], Is("--allow-truncated")),
    (&["-n", "--persistent"], Not("a silent source is opened anew, and viewers stay")),
    (&["-t", "--dv-timings"], Not("timings of an HDMI grabber are followed by themselves")),
    (&["-w", "--workers"], Not("each viewer has a process of its own (--model)")),
    (&["-c", "--encoder"], Not("a camera's own JPEGs are passed through, and all else is encoded")),
    (&["-g", "--glitched-resolutions"], Not("each JPEG is checked as a whole")),
    (&["-k", "--blank", "-K", "--last-as-blank"], Not("a picture that says what is wrong is shown to who watches")),
    (&["-l", "--slowdown"], Is("--on-demand SECONDS, which closes the camera,")),
    (&["--device-timeout"], Not("a camera that is silent for 3 s has no signal, which viewers see")),
    (&["--device-error-delay"], Not("it is tried again every second")),
    (&["--format-swap-rgb"], Lacks("colours come as the driver names them")),
    (&["--m2m-device", "--media-device", "--media-entity-name"], Lacks("no hardware encodes here")),
    (&["--image-default", "--brightness", "--contrast", "--saturation", "--hue", "--gamma", "--sharpness",
       "--backlight-compensation", "--white-balance", "--gain", "--color-effect", "--rotate", "--flip-vertical",
       "--flip-horizontal"], Is(CONTROL)),
    (&["-s", "--host", "-p", "--port"], Is("part of --http HOST:PORT")),
    (&["-U", "--unix"], Is("--http unix:PATH")),
    (&["-D", "--unix-rm"], Not("a socket that nobody answers on is replaced")),
    (&["-M", "--unix-mode"], Is("--http unix:PATH,mode=0660")),
    (&["-S", "--systemd"], Is("--http systemd")),
    (&["--user", "--passwd"], Is("a line of --auth-file, which seqcast password makes,")),
    (&["--static"], Lacks("the page is built in; put a web server in front for another")),
    (&["-e", "--drop-same-frames"], Is("--drop-same")),
    (&["-R", "--fake-resolution"], Lacks("what the camera granted is said")),
    (&["--tcp-nodelay"], Not("it is always so")),
    (&["--server-timeout"], Not("only a connection that is dead is closed")),
    (&["--instance-id"], Is("--name")),
    (&["--sink", "--sink-mode", "--sink-rm", "--sink-client-ttl", "--sink-timeout", "--jpeg-sink", "--jpeg-sink-mode",
       "--jpeg-sink-rm", "--jpeg-sink-client-ttl", "--jpeg-sink-timeout"], Is(SINK)),
    (&["--raw-sink", "--raw-sink-mode", "--raw-sink-rm", "--raw-sink-client-ttl", "--raw-sink-timeout"],
     Is("--format bgr24, with the ring for other programs,")),
    (&["--h264-sink", "--h264-sink-mode", "--h264-sink-rm", "--h264-sink-client-ttl", "--h264-sink-timeout",
       "--h264-bitrate", "--h264-gop", "--h264-m2m-device", "--h264-boost", "--v4p"], Lacks("there is JPEG alone")),
    (&["--gpio-device", "--gpio-consumer-prefix", "--gpio-prog-running", "--gpio-stream-online",
       "--gpio-has-http-clients"], Lacks("ask /healthz or /status")),
    (&["--exit-on-parent-death", "--exit-on-device-error", "--exit-on-no-clients", "--notify-parent"],
     Lacks("a service manager is told instead (sd_notify)")),
    (&["--process-name-prefix"], Not("each process is named by what it does")),
    (&["--log-level", "--perf", "--verbose", "--debug"], Is(PLAIN_LOG)),
    (&["--force-log-colors", "--no-log-colors"], Not("a terminal has colours, a file has none")),
    (&["-v"], Is("--version")),
    (&["--features"], Lacks("all is in every build; see --version")),
    (&["-o", "--output"], Is("--http HOST:PORT")),
];

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn none_of_them_is_ours_and_none_is_there_twice() {
        let ours = crate::cli::Cli::command();
        let names: Vec<String> = ours
            .get_arguments()
            .flat_map(|arg| {
                let long = arg.get_long().map(|long| format!("--{long}"));
                long.into_iter()
                    .chain(arg.get_short().map(|c| format!("-{c}")))
            })
            .collect();
        let all: Vec<&str> = TABLE
            .iter()
            .flat_map(|(flags, _)| flags.iter().copied())
            .collect();
        for (nth, flag) in all.iter().enumerate() {
            assert!(flag.starts_with('-'), "{flag}");
            assert!(!all[..nth].contains(flag), "{flag} twice");
            assert!(!names.iter().any(|name| name == flag), "{flag} is ours");
        }
    }

    #[test]
    fn a_flag_names_ours() {
        assert_eq!(
            ours("--port").unwrap(),
            "--port of ustreamer is part of --http HOST:PORT here"
        );
        assert!(
            ours("-w")
                .unwrap()
                .contains("is not needed here: each viewer")
        );
        assert!(ours("-o").unwrap().contains("mjpg_streamer is --http"));
        assert_eq!(ours("--nonsense"), None);
    }

    /// Each flag of these stands in the document.
    #[test]
    fn the_document_has_them_all() {
        let document = include_str!("../../docs/from-ustreamer.md");
        for flag in TABLE.iter().flat_map(|(flags, _)| flags.iter()) {
            assert!(document.contains(&format!("`{flag}")), "{flag}");
        }
    }
}
