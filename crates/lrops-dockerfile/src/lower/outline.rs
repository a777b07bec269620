//! What a Dockerfile does and names, as far as it can be told without looking at any image.

use lrops_model::graph::Graph;
use lrops_model::oci::ImageConfig;

use super::{ImageRef, LowerInputs, Resolved, Scope, Stages, pass};
use crate::instruction::Dockerfile;

/// What a Dockerfile does and names.
#[derive(Debug)]
pub struct Outline {
    /// The steps: as they are, except that images are taken for empty, and that lines with mistakes are left out.
    pub graph: Graph,
    /// The images that the target needs, each for the platforms that it is needed for.
    pub images: Vec<ImageRef>,
}

/// Outlines a Dockerfile: every image that is not known is taken for an empty one without any settings.
///
/// Whoever carries out the Dockerfile judges it; mistakes are no matter here.
pub fn outline(dockerfile: &Dockerfile, inputs: &LowerInputs) -> Outline {
    let mut inputs = inputs.clone();
    loop {
        let pass = pass(dockerfile, &inputs, &Scope::new(&[], Stages::Needed));
        let known = inputs.images.len();
        for image in pass.needs.into_keys() {
            inputs.images.entry(image).or_insert_with(|| Resolved::Image {
                config: Box::new(ImageConfig::default()),
                graph: Graph::default(),
                root: None,
            });
        }
        if inputs.images.len() == known {
            return Outline {
                graph: pass.graph,
                images: inputs.images.into_keys().collect(),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use lrops_model::graph::Op;

    use super::*;
    use crate::lower::tests::inputs;

    #[test]
    fn images_are_named_for_the_platforms_that_need_them() {
        let text = "ARG BASE=runtime\nFROM --platform=$BUILDPLATFORM tools AS build\nRUN make\nFROM unused\n\
                    FROM $BASE\nCOPY --from=build /out /\nCOPY --from=more /a /\nRUN foreign\n";
        let (dockerfile, _) = Dockerfile::parse(text);
        let outline = outline(&dockerfile, &inputs(text));
        let images: Vec<String> = outline
            .images
            .iter()
            .map(|image| format!("{} {}", image.name, image.platform))
            .collect();
        assert_eq!(
            images,
            [
                "more linux/amd64",
                "more linux/arm64",
                "runtime linux/amd64",
                "runtime linux/arm64",
                "tools linux/amd64",
            ]
        );
        let runs = outline
            .graph
            .steps
            .values()
            .filter(|step| matches!(step.op, Op::Run(_)));
        assert_eq!(runs.count(), 3, "make once, and foreign for each platform");
    }

    #[test]
    fn mistakes_do_not_hide_the_rest() {
        let text = "FROM one AS a\nADD --nonsense x y\nFROM two\nCOPY --from=a /x /\n";
        let (dockerfile, _) = Dockerfile::parse(text);
        let outline = outline(&dockerfile, &inputs(text));
        let names: Vec<&str> = outline.images.iter().map(|image| image.name.as_str()).collect();
        assert_eq!(names, ["one", "one", "two", "two"], "each for both platforms");
    }
}
