//! The still that is shown when there is no picture.
//!
//! Lays out a title and lines of text. What they say, and when, is the caller's matter.

use crate::canvas::{Canvas, Colour, Rect};
use crate::font::Face;
use crate::{Error, drawable, tiles};

const BACKGROUND: u32 = 0x0d1117;
const TITLE: u32 = 0xf3f6f9;
const TEXT: u32 = 0x8b98a8;
const ACCENT: u32 = 0xe0a030;
/// Text on one colour: hardly larger at a high quality.
const QUALITY: u8 = 85;
/// So many letters at least fit into the width: what keeps short text from being huge.
const TITLE_COLUMNS: usize = 13;
const TEXT_COLUMNS: f32 = 40.0;
/// Capitals of the text, in pixels, below which nobody could read them.
const SMALLEST: f32 = 5.0;

/// A still for viewers when there is no picture: a big title of one line ("NO SIGNAL", "INPUT ENDED") and
/// lines of text under it, each wrapped to the width; what then does not fit is cut off with "...". ASCII;
/// other characters show as `?`.
///
/// Sizes as for [`crate::TestPicture::new`]. Baseline JPEG, 4:2:0. Takes as long as encoding a camera
/// frame of that size: keep it.
pub fn placeholder(width: u32, height: u32, title: &str, lines: &[&str]) -> Result<Vec<u8>, Error> {
    let (w, h) = drawable(width, height)?;
    let mut canvas = Canvas::new(w, h, Colour::rgb(BACKGROUND));
    let (width, height) = (width as i32, height as i32);
    let margin = (width.min(height) / 12).max(2);
    let (content, free) = (width - 2 * margin, height - 2 * margin);

    let letters = title.chars().count().max(TITLE_COLUMNS) as f32;
    let by_width = Face::cap_height_for(letters, content as f32);
    let title_face = Face::new(by_width.min(free as f32 * 0.16), title);
    let by_width = Face::cap_height_for(TEXT_COLUMNS, content as f32).max(SMALLEST);
    let text_cap = (free as f32 * 0.045).max(SMALLEST).min(by_width);
    let text_face = Face::new(text_cap, &(' '..='~').collect::<String>());

    let rule_h = (title_face.cap_height() / 9).max(1);
    let rule_at = title_face.cap_height() + 3 * rule_h;
    let leading = (text_cap * 1.9).round() as i32;
    let text_at = rule_at + rule_h + (4 * rule_h).max(leading / 2);
    let columns = (content / text_face.advance()).max(1) as usize;
    let rows = ((free - text_at) / leading).max(0) as usize;
    let lines = lines.iter().flat_map(|line| wrap(line, columns)).collect();
    let lines = fitted(lines, rows, columns);

    // A little above the middle, where the eye rests.
    let text_h = lines.len() as i32 * leading;
    let top = margin + (free - text_at - text_h).max(0) * 2 / 5;
    canvas.text(&title_face, margin, top, title, Colour::rgb(TITLE));
    let rule = Rect {
        x: margin,
        y: top + rule_at,
        w: title_face.advance() * 3,
        h: rule_h,
    };
    canvas.fill(rule, Colour::rgb(ACCENT));
    let tops = (top + text_at..).step_by(leading as usize);
    for (line, y) in lines.iter().zip(tops) {
        canvas.text(&text_face, margin, y, line, Colour::rgb(TEXT));
    }
    let mut out = Vec::new();
    tiles::encode(&canvas, QUALITY, None, &mut out)?;
    Ok(out)
}

/// Breaks a line at blanks, and words longer than `columns` anywhere.
fn wrap(line: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in line.split_whitespace() {
        let letters = word.chars().count();
        if used > 0 && used + 1 + letters > columns {
            lines.push(String::new());
            used = 0;
        }
        for c in (used > 0).then_some(' ').into_iter().chain(word.chars()) {
            if used == columns {
                lines.push(String::new());
                used = 0;
            }
            if let Some(last) = lines.last_mut() {
                last.push(c);
            }
            used += 1;
        }
    }
    lines
}

/// The first `rows` lines; the last of them says with "..." if there were more.
fn fitted(mut lines: Vec<String>, rows: usize, columns: usize) -> Vec<String> {
    if lines.len() > rows {
        lines.truncate(rows);
        if let Some(last) = lines.last_mut() {
            *last = last.chars().take(columns.saturating_sub(3)).collect();
            last.push_str("...");
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::decode;

    #[test]
    fn wraps_at_blanks_and_breaks_long_words() {
        assert_eq!(wrap("no such device", 8), ["no such", "device"]);
        assert_eq!(wrap("a /dev/video0 b", 5), ["a", "/dev/", "video", "0 b"]);
        assert_eq!(wrap("", 8), [""]);
        assert_eq!(wrap("exact fit", 9), ["exact fit"]);
    }

    #[test]
    fn what_does_not_fit_is_cut_off_visibly() {
        let lines: Vec<String> = ["one", "two", "three"].map(String::from).into();
        assert_eq!(fitted(lines.clone(), 3, 10), ["one", "two", "three"]);
        assert_eq!(fitted(lines.clone(), 2, 10), ["one", "two..."]);
        assert_eq!(fitted(lines.clone(), 2, 4), ["one", "t..."]);
        assert!(fitted(lines, 0, 10).is_empty());
    }

    #[test]
    fn any_size_and_text_is_a_jpeg() {
        let long = "a reason that goes on and on ".repeat(40);
        let lines = [long.as_str(), "", "caf\u{e9} \u{1f4f7}", &"x".repeat(500)];
        for (w, h) in [
            (64, 48),
            (65, 49),
            (160, 120),
            (641, 479),
            (1280, 720),
            (64, 3000),
            (3000, 64),
        ] {
            for title in ["NO SIGNAL", "", &"LONG ".repeat(30)] {
                let still = placeholder(w, h, title, &lines).unwrap();
                let (dw, dh, pixels) = decode(&still);
                assert_eq!((dw as u32, dh as u32), (w, h));
                // Something is written on it, and the margin is left free.
                assert!(pixels.iter().any(|&p| p > 90), "{w}x{h}");
                let last_row = &pixels[(dh - 1) * dw * 3..];
                assert!(last_row.iter().all(|&p| p < 60), "{w}x{h}");
            }
        }
        assert!(matches!(
            placeholder(10, 10, "", &[]),
            Err(Error::Size { .. })
        ));
    }
}
