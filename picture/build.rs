//! Finds the system's libturbojpeg where the feature of that name asks for it.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "turbojpeg")]
    if let Err(why) = pkg_config::Config::new()
        .atleast_version("2.0")
        .probe("libturbojpeg")
    {
        println!(
            "cargo::error=the feature `turbojpeg` needs pkg-config and libturbojpeg (Debian: apt install \
             pkg-config libturbojpeg0-dev): {why}"
        );
    }
}
