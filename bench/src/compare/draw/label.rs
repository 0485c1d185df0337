//! What designs, frames and cases are called in charts and report.
//!
//! Not here: colours (`chart::palette`), file names (the runner's).

use super::summary::Spread;
use crate::record::{Case, Design, Frames, Scenario};

/// As short as a legend wants it.
pub fn design(design: Design) -> &'static str {
    match design {
        Design::Process => "process",
        Design::ProcessOf5 => "process of 5",
        Design::Thread => "thread",
        Design::Multiplex => "multiplex",
        Design::Epoll => "(a) bare epoll",
        Design::Forked => "(b) bare fork",
        Design::Threads2017 => "threads of 2017",
        Design::Rabbitmq2019 => "RabbitMQ of 2019",
        Design::Gstreamer => "GStreamer",
        Design::MjpgStreamer => "mjpg-streamer",
        Design::Ustreamer => "µStreamer",
        Design::Ffmpeg => "FFmpeg",
    }
}

/// What it is, in half a sentence.
pub fn design_explained(design: Design) -> &'static str {
    match design {
        Design::Process => "seqcast, a process for each viewer",
        Design::ProcessOf5 => "seqcast, five viewers to a process",
        Design::Thread => "seqcast, a thread for each viewer",
        Design::Multiplex => "seqcast, one loop for all viewers",
        Design::Epoll => "reference (a): one epoll process that only writes",
        Design::Forked => "reference (b): a forked process per socket that only writes",
        Design::Threads2017 => "the original of 2017: threads in one Python process",
        Design::Rabbitmq2019 => "the original of 2019: fanout by RabbitMQ, the broker included",
        Design::Gstreamer => "multipartmux ! tcpserversink",
        Design::MjpgStreamer => "input_file and output_http",
        Design::Ustreamer => "µStreamer",
        Design::Ffmpeg => "ffmpeg, one client",
    }
}

pub fn frames(frames: Frames) -> &'static str {
    match frames {
        Frames::Raw160 => "raw 160×120×3",
        Frames::Raw640 => "raw 640×480×3",
        Frames::Jpeg720 => "720p JPEG",
    }
}

/// As in the names of cases.
pub fn frames_slug(frames: Frames) -> &'static str {
    match frames {
        Frames::Raw160 => "raw160",
        Frames::Raw640 => "raw640",
        Frames::Jpeg720 => "jpeg720",
    }
}

/// With what a frame weighs and how it travels.
pub fn frames_explained(frames: Frames) -> &'static str {
    match frames {
        Frames::Raw160 => "raw 160×120×3, 58 kB a frame, the protocol of 2017, 30 fps",
        Frames::Raw640 => "raw 640×480×3, 922 kB a frame, the protocol of 2017, 30 fps",
        Frames::Jpeg720 => "720p JPEG, about 100 kB a frame, multipart over HTTP, 30 fps",
    }
}

pub fn scenario(scenario: Scenario) -> &'static str {
    match scenario {
        Scenario::Steady => "steady",
        Scenario::Stall => "one viewer stalls",
        Scenario::Kill => "one worker is killed",
    }
}

pub fn clients(clients: u16) -> String {
    match clients {
        1 => "1 client".to_owned(),
        n => format!("{n} clients"),
    }
}

/// A case in words.
pub fn case(case: Case) -> String {
    format!(
        "{} · {} · {} · {} · run {}",
        design(case.design),
        clients(case.clients),
        frames(case.frames),
        scenario(case.scenario),
        case.run
    )
}

/// A figure with three digits that count, as 0.042, 4.20 and 42.0.
pub fn number(value: f64) -> String {
    let magnitude = value.abs();
    let digits = match magnitude {
        _ if magnitude >= 99.95 || magnitude == 0.0 => 0,
        _ if magnitude >= 9.995 => 1,
        _ if magnitude >= 0.0995 => 2,
        _ => 3,
    };
    format!("{value:.digits$}")
}

/// What is counted, which may have a half as its median.
pub fn count(value: f64) -> String {
    match value.fract() {
        0.0 => format!("{value:.0}"),
        _ => number(value),
    }
}

/// The median, and from where to where if there were several runs, with so many digits.
pub fn spread(spread: Spread, digits: usize) -> String {
    let Spread {
        median,
        min,
        max,
        runs,
    } = spread;
    match runs {
        1 => format!("{median:.digits$}"),
        _ => format!("{median:.digits$} ({min:.digits$}–{max:.digits$})"),
    }
}

/// Unix seconds as date and time of day.
pub fn utc(unix: u64) -> String {
    let (days, second) = (unix / 86_400, unix % 86_400);
    // Howard Hinnant's civil_from_days, for days after 1970: years that begin in March, eras of 400.
    let day = days + 719_468;
    let (era, day) = (day / 146_097, day % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + u64::from(month <= 2);
    let [hour, minute, second] = [second / 3_600, second / 60 % 60, second % 60];
    format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_the_calendars() {
        let known = [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_399, "2000-02-28 23:59:59 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (1_795_363_200, "2026-11-22 16:00:00 UTC"),
        ];
        for (unix, date) in known {
            assert_eq!(utc(unix), date);
        }
    }

    #[test]
    fn figures_have_the_digits_that_count() {
        let shown = [0.0, 0.0421, 0.512, 4.2, 42.04, 99.97, 4200.4, -4.2].map(number);
        let wanted = ["0", "0.042", "0.51", "4.20", "42.0", "100", "4200", "-4.20"];
        assert_eq!(shown, wanted);
        assert_eq!(number(f64::NAN), "NaN");
        assert_eq!([10.0, 9.5].map(count), ["10", "9.50"]);
    }

    #[test]
    fn one_client_is_no_clients() {
        assert_eq!([clients(1), clients(20)], ["1 client", "20 clients"]);
    }
}
