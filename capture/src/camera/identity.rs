//! Which camera it was: a /dev/videoN is only a number, and another one after the next plug.
//!
//! A camera is known again by card, place on the bus and number among the nodes of its device, and in another
//! place by the name that udev gives it by its serial number (/dev/v4l/by-id).
//!
//! Not here: what a node says of itself (`probe`).

use std::fs;
use std::path::{Path, PathBuf};

use super::probe::{NodeReport, Said, served};

/// udev's names of cameras by what they are, links to their nodes.
const BY_ID: &str = "/dev/v4l/by-id";

/// A camera.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    card: String,
    bus: String,
    index: Option<u32>,
    /// Its name in /dev/v4l/by-id.
    by_id: Option<PathBuf>,
}

impl Identity {
    /// Of the node that said this.
    pub(crate) fn new(node: &Path, said: &Said) -> Identity {
        Identity {
            card: said.card.clone(),
            bus: said.bus.clone(),
            index: fs::canonicalize(node).ok().and_then(|node| index(&node)),
            by_id: by_id(node),
        }
    }

    /// The node to open for it, which was asked for by `path`: where it is now, or, if it is nowhere to be seen,
    /// there if it may be this camera all the same, for opening it to say what is wrong.
    pub(crate) fn locate(&self, path: &Path, nodes: &[NodeReport]) -> Option<PathBuf> {
        let node = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let may_be = |there: &NodeReport| there.said.is_err() || self.is(there, index(&there.path));
        let there = || nodes.iter().find(|there| there.path == node);
        let at_path = || there().is_some_and(may_be).then(|| path.to_owned());
        self.find(nodes).or_else(at_path)
    }

    /// Whether it is this camera, in its old place or by its name.
    pub(crate) fn knows(&self, other: &Identity) -> bool {
        let place = |of: &Identity| (of.card.clone(), of.bus.clone(), of.index);
        place(self) == place(other) || (self.by_id.is_some() && self.by_id == other.by_id)
    }

    /// Takes over its name, which udev gives some time after the node.
    pub(crate) fn learn(&mut self, seen: &Identity) {
        if self.by_id.is_none() {
            self.by_id.clone_from(&seen.by_id);
        }
    }

    /// The node where it is now, if it is there: in its old place first, for names by id are not unique among
    /// cameras without a serial number.
    fn find(&self, nodes: &[NodeReport]) -> Option<PathBuf> {
        let cameras = || {
            let is_camera =
                |node: &&NodeReport| node.said.as_ref().is_ok_and(|s| served(s).is_ok());
            nodes.iter().filter(is_camera)
        };
        let in_place = cameras().find(|node| self.is(node, index(&node.path)));
        let link = || {
            let to = fs::canonicalize(self.by_id.as_ref()?).ok()?;
            cameras().find(|node| node.path == to)
        };
        in_place.or_else(link).map(|node| node.path.clone())
    }

    fn is(&self, node: &NodeReport, index: Option<u32>) -> bool {
        node.said
            .as_ref()
            .is_ok_and(|said| (&said.card, &said.bus) == (&self.card, &self.bus))
            && index == self.index
    }
}

/// The node's number among those of its device.
fn index(node: &Path) -> Option<u32> {
    let name = node.file_name()?.to_str()?;
    let index = fs::read_to_string(format!("/sys/class/video4linux/{name}/index")).ok()?;
    index.trim().parse().ok()
}

/// udev's name for the node, if it has one.
pub(super) fn by_id(node: &Path) -> Option<PathBuf> {
    let node = fs::canonicalize(node).ok()?;
    let links = fs::read_dir(BY_ID).ok()?.flatten().map(|link| link.path());
    let leads_there = |link: &PathBuf| fs::canonicalize(link).is_ok_and(|to| to == node);
    links.filter(leads_there).min()
}

#[cfg(test)]
mod tests {
    use v4l::capability::Flags;

    use super::*;

    fn node(n: u32, card: &str, bus: &str) -> NodeReport {
        NodeReport {
            path: PathBuf::from(format!("/dev/video{n}-of-a-test")),
            said: Ok(said(card, bus)),
        }
    }

    fn said(card: &str, bus: &str) -> Said {
        Said {
            card: card.to_owned(),
            bus: bus.to_owned(),
            device_caps: (Flags::VIDEO_CAPTURE | Flags::STREAMING).bits(),
            has_input: true,
            formats: vec![*b"YUYV"],
        }
    }

    fn found(nodes: &[NodeReport]) -> Option<PathBuf> {
        let old = Path::new("/dev/video0-of-a-test");
        Identity::new(old, &said("C920", "usb-1")).find(nodes)
    }

    #[test]
    fn it_is_found_under_another_number() {
        let nodes = [node(0, "C270", "usb-1"), node(7, "C920", "usb-1")];
        assert_eq!(found(&nodes), Some(nodes[1].path.clone()));
    }

    #[test]
    fn another_camera_is_not_taken_for_it() {
        assert_eq!(found(&[]), None);
        assert_eq!(found(&[node(0, "C270", "usb-1")]), None);
        assert_eq!(found(&[node(0, "C920", "usb-2")]), None);
    }

    #[test]
    fn where_it_may_be_is_opened_to_learn_why_it_is_not_to_be_seen() {
        let path = Path::new("/dev/video0-of-a-test");
        let camera = Identity::new(path, &said("C920", "usb-1"));
        let located = |nodes: &[NodeReport]| camera.locate(path, nodes);
        let there = Some(path.to_owned());
        // Busy, or without rights to it.
        let mut mute = node(0, "", "");
        mute.said = Err("no rights".to_owned());
        assert_eq!(located(&[mute.clone()]), there);
        // A loopback whose writer has left.
        let mut idle = node(0, "C920", "usb-1");
        if let Ok(said) = &mut idle.said {
            said.device_caps = (Flags::VIDEO_OUTPUT | Flags::STREAMING).bits();
        }
        assert_eq!(located(&[idle]), there);
        assert_eq!(located(&[node(0, "C270", "usb-1")]), None, "another one");
        assert_eq!(located(&[]), None, "gone");
        let moved = node(7, "C920", "usb-1");
        let to = Some(moved.path.clone());
        assert_eq!(located(&[mute, moved]), to);
    }

    #[test]
    fn its_name_is_learnt_later_and_tells_it_in_another_place() {
        let path = Path::new("/dev/video0-of-a-test");
        let mut camera = Identity::new(path, &said("C920", "usb-1"));
        let moved = Identity {
            by_id: Some("/dev/v4l/by-id/usb-C920-1".into()),
            ..Identity::new(path, &said("C920", "usb-2"))
        };
        assert!(!camera.knows(&moved));
        camera.learn(&moved);
        assert!(camera.knows(&moved));
        assert!(!camera.knows(&Identity::new(path, &said("C920", "usb-2"))));
        assert!(camera.knows(&Identity::new(path, &said("C920", "usb-1"))));
    }

    #[test]
    fn its_metadata_node_is_not_taken_for_it() {
        let mut metadata = node(1, "C920", "usb-1");
        if let Ok(said) = &mut metadata.said {
            said.device_caps = (Flags::META_CAPTURE | Flags::STREAMING).bits();
        }
        assert_eq!(found(&[metadata]), None);
    }
}
