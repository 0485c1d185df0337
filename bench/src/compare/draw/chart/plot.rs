//! What is drawn between axes: curves, points, whiskers, bands, shades; and the legend.
//!
//! Not here: scales (`axes`), and which figures.

use plotters::chart::{ChartBuilder, ChartContext};
use plotters::element::DashedPathElement;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::axes::Axis;
use super::canvas::{self, Area, Font};
use super::palette::{self, Ink, Look, Mark};

/// Axes that are drawn, and can be drawn upon.
pub struct Plot<'a, 'b> {
    area: &'a Area<'b>,
    x: &'a Axis,
    y: &'a Axis,
    chart: ChartContext<'a, SVGBackend<'b>, Cartesian2d<Axis, Axis>>,
}

impl<'a, 'b> Plot<'a, 'b> {
    /// Draws the axes into `area` under a heading; `shade` lies below the grid, from and to in the units of `x`.
    pub fn new(
        area: &'a Area<'b>,
        heading: &str,
        x: &'a Axis,
        y: &'a Axis,
        shade: Option<(f64, f64)>,
    ) -> anyhow::Result<Plot<'a, 'b>> {
        let mut chart = ChartBuilder::on(area)
            .margin_top(if heading.is_empty() { 8 } else { 30 })
            .margin_right(14)
            .x_label_area_size(if x.label.is_empty() { 26 } else { 48 })
            .y_label_area_size(64)
            .build_cartesian_2d(x.clone(), y.clone())?;
        if let Some((from, to)) = shade {
            let corners = [(from, y.from), (to, y.to)];
            let shade = Rectangle::new(corners, palette::SHADE.light.filled());
            chart.draw_series([shade])?;
        }
        let nothing = palette::PAPER.light.mix(0.0);
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(nothing)
            .bold_line_style(palette::GRID.light)
            .axis_style(palette::SOFT.light)
            .label_style(Font::SMALL.style())
            .axis_desc_style(Font::SMALL.style())
            .x_labels(40)
            .y_labels(40)
            .x_desc(x.label.as_str())
            .y_desc(y.label.as_str())
            .draw()?;
        canvas::text(area, (64, 4), heading, Font::HEADING, HPos::Left)?;
        Ok(Plot { area, x, y, chart })
    }

    /// Where a point is, in pixels of the area.
    pub fn at(&self, x: f64, y: f64) -> (i32, i32) {
        let (left, top) = self.area.get_base_pixel();
        let (x, y) = self.chart.backend_coord(&(x, y));
        (x - left, y - top)
    }

    /// A line through all points that are numbers.
    pub fn curve(&self, points: &[(f64, f64)], look: Look) -> anyhow::Result<()> {
        let finite = points
            .iter()
            .filter(|(x, y)| x.is_finite() && y.is_finite());
        let pixels: Vec<_> = finite.map(|(x, y)| self.at(*x, *y)).collect();
        line(self.area, &pixels, look)
    }

    /// What lies between two curves over the same x.
    pub fn band(&self, points: &[(f64, f64, f64)], ink: Ink) -> anyhow::Result<()> {
        let upper = points.iter().map(|(x, _, high)| self.at(*x, *high));
        let lower = points.iter().rev().map(|(x, low, _)| self.at(*x, *low));
        let outline: Vec<_> = upper.chain(lower).collect();
        if outline.len() > 2 {
            self.area
                .draw(&Polygon::new(outline, ink.light.mix(0.25)))?;
        }
        Ok(())
    }

    /// A point with a whisker from `low` to `high`.
    pub fn point(&self, x: f64, (low, y, high): (f64, f64, f64), look: Look) -> anyhow::Result<()> {
        let thin = Look::curve(look.ink, 1, false);
        let ((x, middle), bottom, top) = (self.at(x, y), self.at(x, low).1, self.at(x, high).1);
        if bottom - top > 2 {
            line(self.area, &[(x, bottom), (x, top)], thin)?;
            for end in [bottom, top] {
                line(self.area, &[(x - 5, end), (x + 5, end)], thin)?;
            }
        }
        mark(self.area, (x, middle), look)
    }

    /// A word where there is nothing to draw.
    pub fn say(&self, words: &str) -> anyhow::Result<()> {
        let (left, bottom) = self.at(self.x.from, self.y.from);
        let (right, top) = self.at(self.x.to, self.y.to);
        let middle = ((left + right) / 2, (bottom + top) / 2);
        canvas::label(self.area, middle, words, Font::SMALL, HPos::Center)
    }
}

/// A line in pixels.
fn line(area: &Area<'_>, pixels: &[(i32, i32)], look: Look) -> anyhow::Result<()> {
    let style = look.ink.light.stroke_width(look.width);
    if look.dashed {
        area.draw(&DashedPathElement::new(pixels.iter().copied(), 7, 5, style))?;
    } else {
        area.draw(&PathElement::new(pixels, style))?;
    }
    Ok(())
}

/// The mark of a point.
fn mark(area: &Area<'_>, (x, y): (i32, i32), look: Look) -> anyhow::Result<()> {
    let corners: &[(i32, i32)] = match look.mark {
        Mark::None => return Ok(()),
        Mark::Circle => {
            let inside = if look.filled {
                look.ink
            } else {
                palette::PAPER
            };
            area.draw(&Circle::new((x, y), 5, inside.light.filled()))?;
            area.draw(&Circle::new((x, y), 5, look.ink.light.stroke_width(2)))?;
            return Ok(());
        }
        Mark::Square => &[(-5, -5), (5, -5), (5, 5), (-5, 5)],
        Mark::Diamond => &[(0, -7), (7, 0), (0, 7), (-7, 0)],
        Mark::Up => &[(0, -7), (7, 5), (-7, 5)],
        Mark::Down => &[(0, 7), (7, -5), (-7, -5)],
    };
    let mut outline: Vec<_> = corners.iter().map(|(dx, dy)| (x + dx, y + dy)).collect();
    let inside = if look.filled {
        look.ink
    } else {
        palette::PAPER
    };
    area.draw(&Polygon::new(outline.clone(), inside.light))?;
    outline.push(outline[0]);
    area.draw(&PathElement::new(outline, look.ink.light.stroke_width(2)))?;
    Ok(())
}

/// Names of lines under one another, from the top of the area.
pub fn legend(area: &Area<'_>, entries: &[(Look, String)]) -> anyhow::Result<()> {
    for (row, (look, name)) in (0..).zip(entries) {
        let y = 20 + 30 * row;
        line(area, &[(6, y), (42, y)], *look)?;
        mark(area, (24, y), *look)?;
        canvas::label(area, (52, y), name, Font::PLAIN, HPos::Left)?;
    }
    Ok(())
}

/// The same side by side.
pub fn legend_row(area: &Area<'_>, entries: &[(Look, &str)]) -> anyhow::Result<()> {
    let mut x = 0;
    for (look, name) in entries {
        line(area, &[(x, 10), (x + 36, 10)], *look)?;
        canvas::label(area, (x + 46, 10), name, Font::PLAIN, HPos::Left)?;
        let (width, _) = area.estimate_text_size(name, &Font::PLAIN.style())?;
        x += 46 + width as i32 + 40;
    }
    Ok(())
}
