//! Messages of gRPC in a stream of bytes, wherever the network cuts it.

use server::framing::Framing;

use crate::Target;

pub(super) const TARGET: Target = Target {
    name: "framing",
    about: "gRPC's framing of messages, cut anywhere",
    longest: 4096,
    run,
    examples: || {
        vec![
            [&[2_u8][..], &[0, 0, 0, 0, 3], b"abc", &[0, 0, 0, 0, 0], &[1, 0, 0, 0, 1], b"z"].concat(),
            [&[7][..], &[0, 0, 0, 4, 1], &[9; 20]].concat(),
            [&[1][..], &[0, 255, 255, 255, 255]].concat(),
        ]
    },
};

const MOST: usize = 1024;

/// The first byte says where to cut.
fn run(bytes: &[u8]) {
    let Some((cut, stream)) = bytes.split_first() else { return };
    let cut = usize::from(*cut).max(1);
    let mut framing = Framing::new(MOST);
    let mut begun = 0;
    let refused = stream.chunks(cut).find_map(|chunk| {
        let followed = framing.follow(chunk);
        begun += followed.map_or_else(|refused| refused.begins, |()| chunk.len());
        followed.err()
    });
    assert_eq!(refused.map(|refused| refused.bytes), first_too_large(stream), "cut every {cut} bytes");
    assert!(begun <= stream.len());
}

/// How large the first message is that is too large, found in the plainest way.
fn first_too_large(mut stream: &[u8]) -> Option<usize> {
    loop {
        let ([_, length @ ..], rest) = stream.split_first_chunk::<5>()?;
        let length = u32::from_be_bytes(*length.first_chunk()?) as usize;
        if length > MOST {
            return Some(length);
        }
        stream = rest.get(length..)?;
    }
}
