//! Colours and marks, for a light and a dark page, to be told apart by the colour-blind and in print.
//!
//! The colours are Okabe and Ito's and their neighbours, and no two designs of a chart share a mark. Not here: what is
//! drawn with them.

use plotters::style::RGBColor;

use crate::record::Design;

/// A colour on white, and what stands for it on a dark page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ink {
    pub light: RGBColor,
    dark: RGBColor,
}

const fn ink(light: u32, dark: u32) -> Ink {
    const fn rgb(hex: u32) -> RGBColor {
        let [_, red, green, blue] = hex.to_be_bytes();
        RGBColor(red, green, blue)
    }
    Ink {
        light: rgb(light),
        dark: rgb(dark),
    }
}

pub const PAPER: Ink = ink(0xFFFFFF, 0x171A1F);
pub const TEXT: Ink = ink(0x1B1F24, 0xE6E9EE);
pub const SOFT: Ink = ink(0x5B6470, 0x9BA5B3);
pub const GRID: Ink = ink(0xE4E7EB, 0x2C323B);
pub const SHADE: Ink = ink(0xF3EEDD, 0x2F2A1C);
pub const BLUE: Ink = ink(0x0072B2, 0x4DA9E8);
pub const SKY: Ink = ink(0x56B4E9, 0xA3D8F7);
pub const GREEN: Ink = ink(0x009E73, 0x2FC79B);
pub const VERMILION: Ink = ink(0xD55E00, 0xFF8A3D);
pub const ORANGE: Ink = ink(0xE69F00, 0xF2BE4A);
pub const SLATE: Ink = ink(0x7A8492, 0x8C97A6);
pub const BLACK: Ink = ink(0x343B45, 0xD3D9E2);
pub const VIOLET: Ink = ink(0x6A4FA3, 0xB49AE6);
pub const BROWN: Ink = ink(0x8C6210, 0xD9A94F);
pub const PINK: Ink = ink(0xCC79A7, 0xEBA3CC);
pub const OLIVE: Ink = ink(0x7D8500, 0xC3CB45);

const ALL: [Ink; 16] = [
    PAPER, TEXT, SOFT, GRID, SHADE, BLUE, SKY, GREEN, VERMILION, ORANGE, SLATE, BLACK, VIOLET,
    BROWN, PINK, OLIVE,
];

/// The shape of a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    Circle,
    Square,
    Diamond,
    Up,
    Down,
    /// None: a curve over time.
    None,
}

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    pub ink: Ink,
    pub mark: Mark,
    /// A filled mark: seqcast's. The others' are hollow.
    pub filled: bool,
    /// The references'.
    pub dashed: bool,
    /// px.
    pub width: u32,
}

impl Look {
    /// A curve without points.
    pub const fn curve(ink: Ink, width: u32, dashed: bool) -> Look {
        Look {
            ink,
            mark: Mark::None,
            filled: false,
            dashed,
            width,
        }
    }
}

/// How a design looks, everywhere.
pub fn look(design: Design) -> Look {
    let look = |ink, mark, filled, dashed| Look {
        ink,
        mark,
        filled,
        dashed,
        width: if filled { 3 } else { 2 },
    };
    match design {
        Design::Process => look(BLUE, Mark::Circle, true, false),
        Design::ProcessOf5 => look(SKY, Mark::Diamond, true, false),
        Design::Thread => look(GREEN, Mark::Square, true, false),
        Design::Multiplex => look(VERMILION, Mark::Up, true, false),
        Design::Epoll => look(SLATE, Mark::Up, false, true),
        Design::Forked => look(BLACK, Mark::Circle, false, true),
        Design::Threads2017 => look(ORANGE, Mark::Square, false, false),
        Design::Rabbitmq2019 => look(PINK, Mark::Diamond, false, false),
        Design::Gstreamer => look(VIOLET, Mark::Down, false, false),
        Design::MjpgStreamer => look(BROWN, Mark::Square, false, false),
        Design::Ustreamer => look(PINK, Mark::Diamond, false, false),
        Design::Ffmpeg => look(OLIVE, Mark::Down, true, false),
    }
}

/// Style rules that put a chart's colours on a dark page.
pub fn dark_rules() -> String {
    let hex = |RGBColor(red, green, blue)| format!("#{red:02X}{green:02X}{blue:02X}");
    let rules = ALL.map(|ink| {
        let (light, dark) = (hex(ink.light), hex(ink.dark));
        format!(
            "figure [fill=\"{light}\"]{{fill:{dark}}}figure [stroke=\"{light}\"]{{stroke:{dark}}}"
        )
    });
    rules.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::summary::{OTHERS, OURS};
    use crate::record::Frames;

    /// What can be in one chart.
    fn together(frames: Frames) -> impl Iterator<Item = Design> {
        let raw = [Design::Threads2017, Design::Rabbitmq2019];
        let others = OTHERS
            .into_iter()
            .filter(move |design| raw.contains(design) == (frames != Frames::Jpeg720));
        OURS.into_iter().chain(others)
    }

    #[test]
    fn no_two_designs_of_a_chart_look_alike() {
        for frames in [Frames::Jpeg720, Frames::Raw160] {
            let looks: Vec<Look> = together(frames).map(look).collect();
            for (i, one) in looks.iter().enumerate() {
                for other in &looks[i + 1..] {
                    assert_ne!(one.ink, other.ink);
                    assert_ne!(
                        (one.mark, one.filled, one.dashed),
                        (other.mark, other.filled, other.dashed)
                    );
                }
            }
        }
    }

    #[test]
    fn a_dark_page_has_a_rule_for_each_colour() {
        let rules = dark_rules();
        assert!(
            rules.contains("figure [stroke=\"#0072B2\"]{stroke:#4DA9E8}"),
            "{rules}"
        );
        assert_eq!(rules.lines().count(), ALL.len());
    }
}
