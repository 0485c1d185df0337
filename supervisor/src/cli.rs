//! The command line: names and defaults are a contract with scripts.
//!
//! Not here: what a source or an address may be beyond its form (`capture`, `address`).

use std::path::PathBuf;
use std::time::Duration;

use broker::{Position, Retention};
use clap::{Args, Parser, Subcommand};
use sender::http::cors::AllowOrigin;
use worker::control::Setting;
use worker::when::When;

use crate::address::Address;
use crate::model::Model;
use crate::units;

/// One camera, many viewers, live; no viewer can hurt another.
#[derive(Debug, Parser)]
#[command(
    name = "seqcast",
    version,
    args_conflicts_with_subcommands = true,
    after_help = "Exit codes of serve: 0 stopped, 1 failed, 2 can never work as asked, 4 the name is running \
                  already, 5 the address cannot be had, 6 the input ended, 7 /dev/shm is too small.\n\
                  Of status and ring: 0, 3 no instance runs, 1 or 7 it cannot be read; of ring --dump also 1 FILE cannot \
                  be written, 2 the ring holds no MJPG. Of watch: 0 clean, 3 something invalid received, 4 cut off, \
                  5 no connection, no 200 or no raw frame."
)]
pub struct Cli {
    /// What to do; without it: serve.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// How to serve.
    #[command(flatten)]
    pub serve: Serve,
}

impl Cli {
    /// Whether standard error is a log of JSON objects.
    pub fn logs_json(&self) -> bool {
        match &self.command {
            None => self.serve.log_json,
            Some(Command::Serve(serve)) => serve.log_json,
            Some(Command::Replay(replay)) => replay.serve.log_json,
            Some(_) => false,
        }
    }
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show a source to viewers (what runs without a subcommand)
    Serve(Box<Serve>),
    /// Show what a broker has kept of an exchange, as a source: options as of serve
    Replay(Box<Replay>),
    /// Say how an instance does, from shared memory, even if its supervisor is stuck or gone
    Status(Status),
    /// Show an instance's ring: its header, frames and rates; or record from it
    Ring(Ring),
    /// Check and measure a stream; shows no picture
    Watch(Watch),
    /// List cameras: what they offer, and what to do where this user may not open one
    Devices(Devices),
    /// Make a line for --auth-file: asks for a password, or reads it from standard input
    Password(Password),
}

/// `seqcast serve`.
#[derive(Debug, Clone, Args)]
pub struct Serve {
    /// Viewers at once: so many streams
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub clients: u16,
    /// How viewers are divided among sender processes
    #[arg(long, value_enum, value_name = "MODEL", default_value = "process")]
    pub model: Model,
    /// Viewers that share a process under --model process [default: 1]
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub viewers_per_sender: Option<u16>,
    /// auto, test, /dev/videoN, FILE.mjpeg, FILE.jpg, a directory of jpgs, http://[USER:PASSWORD@]HOST[:PORT]/PATH
    /// (better: USER:PASSWORD in SEQCAST_SOURCE_AUTH), an exchange as of --publish, or - for MJPEG on standard input
    #[arg(short = 'd', long, value_name = "SRC", default_value = "auto")]
    pub source: String,
    /// Picture size to ask for
    #[arg(short = 'r', long, value_name = "WxH", default_value = "1280x720", value_parser = units::size)]
    pub size: (u32, u32),
    /// Frames a second to ask for
    #[arg(short, long, value_name = "N", default_value_t = 30)]
    pub fps: u32,
    /// JPEG quality of what is encoded here, 1 to 100
    #[arg(short, long, value_name = "1..100", default_value_t = 80)]
    pub quality: u8,
    /// Leave out pictures that are the one before again, at most so many in a row and two a second pass
    /// all the same; for HDMI grabbers; 0: none
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=100_000))]
    pub drop_same: u32,
    /// Close the source (a camera's light goes out) when nobody has watched for so long; who comes opens it [default: never]
    #[arg(long, value_name = "SECONDS", value_parser = units::on_demand)]
    pub on_demand: Option<Duration>,
    /// Set one of the source's controls each time it is opened, named as v4l2-ctl prints it; repeatable
    #[arg(long, value_name = "NAME=VALUE")]
    pub control: Vec<Setting>,
    /// Controls can be looked at and not set over HTTP
    #[arg(long)]
    pub read_only: bool,
    /// Where to answer: HOST:PORT, PORT (this machine only) or :PORT (every address); port 0: any free one;
    /// unix:PATH[,mode=0660] (without a mode: this user only); systemd: on the sockets that its .socket unit passes,
    /// with raw frames on those with FileDescriptorName=raw
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub http: Address,
    /// Who may look over HTTP and who may set controls: lines USER:HASH or USER:HASH:control, as `seqcast
    /// password` and `openssl passwd -6` make them [default: whoever gets there may look]
    #[arg(long, value_name = "FILE")]
    pub auth_file: Option<PathBuf>,
    /// A name, besides addresses, localhost, names without a dot and those under .local, under which an instance on
    /// loopback without --auth-file may be asked, as through a proxy; repeatable
    #[arg(long, value_name = "NAME", value_parser = units::host)]
    pub allow_host: Vec<String>,
    /// Let pages of another origin read what is answered: http://HOST[:PORT], whose pages may also set controls,
    /// or * for all to look
    #[arg(long, value_name = "ORIGIN")]
    pub allow_origin: Option<AllowOrigin>,
    /// Streams that one address may have at once [default: as --clients]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub clients_per_address: Option<u16>,
    /// Where to send raw BGR frames to whoever connects, as in 2017; an address as of --http [default: nowhere]
    #[arg(long, value_name = "ADDR")]
    pub raw: Option<Address>,
    /// Speak TLS (https://) over TCP, with this certificate, and those that vouch for it behind it, as PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// The certificate's private key, as PEM, not encrypted
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Publish frames to an exchange of RabbitMQ, too: amqp[s]://[USER:PASSWORD@]HOST[:PORT]/[VHOST/]EXCHANGE[?format=jpeg|raw]
    /// (better: USER:PASSWORD in SEQCAST_AMQP_AUTH, or in the file that SEQCAST_AMQP_AUTH_FILE names); raw: as in 2019 [default: nowhere]
    #[arg(long, value_name = "URL")]
    pub publish: Option<String>,
    /// Have the broker keep what is published, so long and so much of it, as 1h,12G, for seqcast replay (age with s, m, h
    /// or d, bytes with k, M or G) [default: nothing]
    #[arg(long, value_name = "AGE,BYTES", value_parser = units::retention, requires = "publish")]
    pub publish_history: Option<Retention>,
    /// What to ask a camera for: auto, mjpeg, jpeg, yuyv, yvyu, uyvy, nv12, yu12, rgb24, grey or bgr24; with bgr24
    /// frames also lie raw in the ring, whatever the source
    #[arg(long, value_name = "FORMAT", default_value = "auto", value_parser = units::format)]
    pub format: Format,
    /// Show JPEGs that a camera sends cut short as far as they go, instead of dropping them
    #[arg(long)]
    pub allow_truncated: bool,
    /// Bytes of shared memory for frames, with k, M or G
    #[arg(long, value_name = "SIZE", default_value = "16M", value_parser = units::bytes)]
    pub ring: u64,
    /// A group, by name or number, whose members may read the ring, too; without it only this user may
    #[arg(long, value_name = "GROUP")]
    pub ring_group: Option<String>,
    /// Frames that a viewer may fall behind before it is put on the newest
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub lag: u64,
    /// A capture process that shows no life for so long is hung
    #[arg(long, value_name = "SECONDS", default_value = "3", value_parser = units::stall)]
    pub stall: Duration,
    /// Names the instance and its shared memory
    #[arg(long, value_name = "NAME", default_value = "cam0")]
    pub name: String,
    /// error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub log: String,
    /// Log lines as JSON: one object a line, with timestamp, level and message
    #[arg(long)]
    pub log_json: bool,
}

/// `seqcast replay`.
#[derive(Debug, Clone, Args)]
#[command(mut_arg("source", |source| source.hide(true)))]
pub struct Replay {
    /// The exchange that was published to with --publish-history, an address as of --publish
    #[arg(value_name = "URL")]
    pub url: String,
    /// Where to begin: first, last (of what the broker wrote at once, the first frame), next, an offset in the stream, -10m
    /// (with ms, s, m or h), @ and Unix seconds, or 2026-11-23T01:02:03Z
    #[arg(
        long,
        value_name = "WHEN",
        default_value = "first",
        allow_hyphen_values = true
    )]
    pub from: When,
    /// Captured seconds for each second, 0.1 to 16; over 1 it catches up, and is live then
    #[arg(long, value_name = "X", default_value = "1", value_parser = units::speed)]
    pub speed: f64,
    /// Store with the broker, under this name, how far it came, and go on from there the next time, whatever --from says
    #[arg(long, value_name = "NAME")]
    pub position: Option<Position>,
    /// How to serve it.
    #[command(flatten)]
    pub serve: Serve,
}

/// `--format`; nothing for `auto`.
pub type Format = Option<capture::formats::Served>;

/// `seqcast status`.
#[derive(Debug, Args)]
pub struct Status {
    /// Which instance; without it the only one, or a list of them
    #[arg(long)]
    pub name: Option<String>,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// `seqcast ring`.
#[derive(Debug, Args)]
pub struct Ring {
    /// Which instance's; without it the only one's, or a list of them
    #[arg(long)]
    pub name: Option<String>,
    /// As JSON
    #[arg(long, conflicts_with = "dump")]
    pub json: bool,
    /// Record frames into FILE, replacing it, from the newest on until Ctrl-C; -: standard output
    #[arg(long, value_name = "FILE.mjpeg")]
    pub dump: Option<PathBuf>,
    /// Record for so long
    #[arg(long, value_name = "S", value_parser = units::seconds, requires = "dump")]
    pub seconds: Option<Duration>,
}

/// `seqcast devices`.
#[derive(Debug, Args)]
pub struct Devices {
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// `seqcast password`.
#[derive(Debug, Args)]
pub struct Password {
    /// The user's name
    pub user: String,
    /// The user may set controls, too
    #[arg(long)]
    pub control: bool,
}

/// `seqcast watch`.
#[derive(Debug, Args)]
pub struct Watch {
    /// http://HOST:PORT/PATH; without a path: /stream
    #[arg(required_unless_present = "raw", conflicts_with = "raw")]
    pub url: Option<String>,
    /// Instead of a URL: a server of raw BGR frames, as in 2017
    #[arg(long, value_name = "HOST:PORT")]
    pub raw: Option<String>,
    /// Connections at once
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub viewers: u16,
    /// How long; without it until Ctrl-C
    #[arg(long, value_name = "S", value_parser = units::seconds)]
    pub seconds: Option<Duration>,
    /// One line of JSON
    #[arg(long)]
    pub json: bool,
    /// The first viewer stops reading after so many seconds
    #[arg(long, value_name = "T", value_parser = units::seconds, requires = "stall_for")]
    pub stall_at: Option<Duration>,
    /// for so many
    #[arg(long, value_name = "S", value_parser = units::seconds, requires = "stall_at")]
    pub stall_for: Option<Duration>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_contract() {
        Cli::command().debug_assert();
        let bare = Cli::parse_from(["seqcast"]).serve;
        let Some(Command::Serve(named)) = Cli::parse_from(["seqcast", "serve"]).command else {
            panic!("serve is a subcommand");
        };
        for serve in [bare, *named] {
            assert_eq!(serve.clients, 10);
            assert_eq!(serve.source, "auto");
            assert_eq!(serve.size, (1280, 720));
            assert_eq!((serve.fps, serve.quality, serve.lag), (30, 80, 10));
            assert_eq!(serve.http, "127.0.0.1:8080".parse().unwrap());
            assert_eq!((serve.raw, serve.format), (None, None));
            assert_eq!(serve.ring, 16 << 20);
            assert_eq!(serve.stall, Duration::from_secs(3));
            assert_eq!(serve.on_demand, None);
            assert_eq!((serve.control, serve.read_only), (vec![], false));
            assert_eq!((serve.auth_file, serve.allow_origin), (None, None));
            assert_eq!(serve.clients_per_address, None);
            assert_eq!(serve.name, "cam0");
            assert_eq!(
                (serve.model, serve.viewers_per_sender),
                (Model::Process, None)
            );
        }
        let short = ["seqcast", "-d", "test", "-r640x480", "-f", "15", "-q=70"];
        let short = Cli::parse_from(short).serve;
        assert_eq!((short.source.as_str(), short.size), ("test", (640, 480)));
        assert_eq!((short.fps, short.quality), (15, 70));
        assert!(Cli::try_parse_from(["seqcast", "--clients", "0"]).is_err());
        assert!(Cli::try_parse_from(["seqcast", "--model", "fork"]).is_err());
        assert!(Cli::try_parse_from(["seqcast", "--viewers-per-sender", "0"]).is_err());
        assert!(Cli::try_parse_from(["seqcast", "--raw", "8081", "--format", "bgr24"]).is_ok());
        assert!(Cli::try_parse_from(["seqcast", "--raw", "1", "--raw", "2"]).is_err());
        assert!(Cli::try_parse_from(["seqcast", "--format", "rgb"]).is_err());
        assert!(Cli::try_parse_from(["seqcast", "--allow-origin", "a"]).is_err());
        assert!(Cli::try_parse_from(["seqcast", "--allow-origin", "*"]).is_ok());
        assert!(Cli::try_parse_from(["seqcast", "password"]).is_err());
        for format in ["auto", "mjpeg", "yuyv", "rgb24", "grey"] {
            assert!(Cli::try_parse_from(["seqcast", "--format", format]).is_ok());
        }
        assert!(Cli::try_parse_from(["seqcast", "--on-demand", "0.5"]).is_err());
        let twice = ["seqcast", "--control", "gain=-1", "--control", "hue=2"];
        assert_eq!(Cli::parse_from(twice).serve.control.len(), 2);
        assert!(Cli::try_parse_from(["seqcast", "--control", "gain"]).is_err());
        assert!(Cli::try_parse_from(["seqcast", "watch", "x", "--stall-at", "1"]).is_err());
        assert!(Cli::try_parse_from(["seqcast", "watch", "--raw", "x:1"]).is_ok());
        assert!(Cli::try_parse_from(["seqcast", "watch", "x", "--raw", "x:1"]).is_err());
    }
}
