//! A picture to draw on: SVG by plotters, PNG from the SVG by resvg, with a font of our own so that no system has a say.
//!
//! The SVG asks for `sans-serif`: a browser takes its own, resvg and plotters' measuring take Roboto. Not here: axes and
//! curves.

use std::sync::{Arc, Once};

use anyhow::Context;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use resvg::{tiny_skia, usvg};

use super::palette::{self, Ink};

const REGULAR: &[u8] = include_bytes!("../../../../assets/Roboto-Regular.ttf");
const BOLD: &[u8] = include_bytes!("../../../../assets/Roboto-Bold.ttf");

/// px, of every picture.
pub const WIDTH: u32 = 1200;
/// px, of most.
pub const HEIGHT: u32 = 700;
/// px, from the top of a picture to what is drawn under its title.
const HEAD: i32 = 84;

/// A rectangle in which pixels are counted from its own corner.
pub type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Draws a picture under a title.
///
/// # Errors
/// What `draw` failed at.
pub fn svg(
    height: u32,
    title: &str,
    subtitle: &str,
    draw: impl FnOnce(&Area<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<String> {
    register_fonts()?;
    let mut svg = String::new();
    {
        let page = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        page.fill(&palette::PAPER.light)?;
        text(&page, (24, 18), title, Font::TITLE, HPos::Left)?;
        text(&page, (24, 50), subtitle, Font::SOFT, HPos::Left)?;
        draw(&page.margin(HEAD, 16, 24, 24))?;
        page.present()?;
    }
    Ok(svg)
}

/// The picture as PNG.
///
/// # Errors
/// It is no SVG, or too large.
pub fn png(svg: &str) -> anyhow::Result<Vec<u8>> {
    let mut options = usvg::Options::default();
    let fonts = Arc::make_mut(&mut options.fontdb);
    fonts.load_font_data(REGULAR.to_vec());
    fonts.load_font_data(BOLD.to_vec());
    fonts.set_sans_serif_family("Roboto");
    let tree = usvg::Tree::from_str(svg, &options).context("cannot read the chart's SVG")?;
    let size = tree.size().to_int_size();
    let mut pixels = tiny_skia::Pixmap::new(size.width(), size.height())
        .context("the chart is too large for a PNG")?;
    resvg::render(
        &tree,
        tiny_skia::Transform::identity(),
        &mut pixels.as_mut(),
    );
    pixels.encode_png().context("cannot encode the chart")
}

/// Text of a kind.
#[derive(Debug, Clone, Copy)]
pub struct Font {
    px: f64,
    bold: bool,
    ink: Ink,
}

impl Font {
    pub const TITLE: Font = font(24.0, true, palette::TEXT);
    pub const HEADING: Font = font(16.0, true, palette::TEXT);
    pub const PLAIN: Font = font(15.0, false, palette::TEXT);
    pub const SOFT: Font = font(15.0, false, palette::SOFT);
    pub const SMALL: Font = font(13.0, false, palette::SOFT);

    /// As plotters wants it: it writes 1/1.24 of the size into the SVG.
    pub fn style(self) -> TextStyle<'static> {
        let style = if self.bold {
            FontStyle::Bold
        } else {
            FontStyle::Normal
        };
        let size = self.px * 1.24;
        TextStyle {
            color: self.ink.light.to_backend_color(),
            ..FontDesc::new(FontFamily::SansSerif, size, style).into()
        }
    }
}

const fn font(px: f64, bold: bool, ink: Ink) -> Font {
    Font { px, bold, ink }
}

/// Writes with the top of the line at `at`.
pub fn text(
    area: &Area<'_>,
    at: (i32, i32),
    text: &str,
    font: Font,
    to: HPos,
) -> anyhow::Result<()> {
    anchored(area, at, text, font, Pos::new(to, VPos::Top))
}

/// Writes with the middle of the line at `at`.
pub fn label(
    area: &Area<'_>,
    at: (i32, i32),
    text: &str,
    font: Font,
    to: HPos,
) -> anyhow::Result<()> {
    anchored(area, at, text, font, Pos::new(to, VPos::Center))
}

fn anchored(
    area: &Area<'_>,
    at: (i32, i32),
    text: &str,
    font: Font,
    pos: Pos,
) -> anyhow::Result<()> {
    Ok(area.draw_text(text, &font.style().pos(pos), at)?)
}

fn register_fonts() -> anyhow::Result<()> {
    static ONCE: Once = Once::new();
    let mut sound = true;
    ONCE.call_once(|| {
        for (style, bytes) in [(FontStyle::Normal, REGULAR), (FontStyle::Bold, BOLD)] {
            sound &= plotters::style::register_font("sans-serif", style, bytes).is_ok();
        }
    });
    anyhow::ensure!(sound, "the font built into this program is broken");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_and_the_png_has_the_size() {
        let svg = svg(200, "a < b & c", "", |_| Ok(())).unwrap();
        assert!(svg.contains("a &lt; b &amp; c"), "{svg}");
        let png = png(&svg).unwrap();
        assert!(png.starts_with(b"\x89PNG"));
        assert_eq!(png[16..24], [0, 0, 4, 176, 0, 0, 0, 200]);
        assert!(super::png("no picture").is_err());
    }

    #[test]
    fn letters_are_drawn_from_the_font_built_in() {
        let of = |title| png(&svg(100, title, "", |_| Ok(())).unwrap()).unwrap();
        assert_ne!(of("a title"), of(""));
    }
}
