//! RLE Lossless (PS3.5 Annex G): decoded here, because the decoder of dicom-rs 0.10.1 panics on
//! damaged segments, takes neither 1 nor 32 bits, and doesn't say what it passed over.

/// A decoded frame.
pub struct Decoded {
    /// Interleaved samples, little endian; of 1 bit: packed as in native pixels (PS3.5 8.1.1).
    pub bytes: Vec<u8>,
    /// Whether the fragment holds the image and nothing else: no gap, no unused segment, no code
    /// that yields nothing, at most one byte of padding.
    pub nothing_else: bool,
}

/// Bytes of the header: the number of segments and 15 offsets, 32 bits each.
const HEADER: usize = 64;

/// A run of two bytes yields at most 128.
const MOST_PER_BYTE: usize = 64;

/// Decodes one frame. `plane`: bytes of a segment when decoded; `width`: bytes of a sample.
///
/// `None`: the segments don't yield the image.
pub fn decode(fragment: &[u8], plane: usize, samples: usize, width: usize) -> Option<Decoded> {
    let (header, _) = fragment.split_at_checked(HEADER)?;
    let number = |n: usize| {
        let bytes = header.get(4 * n..4 * n + 4)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?) as usize)
    };
    let (segments, wanted) = (number(0)?, samples * width);
    let possible = fragment.len().checked_mul(MOST_PER_BYTE)? >= plane.checked_mul(wanted)?;
    if segments < wanted || segments > 15 || !possible {
        return None;
    }
    let unused = header[4 * (segments + 1)..].iter().all(|&b| b == 0);
    let mut nothing_else = segments == wanted && number(1)? == HEADER && unused;
    let mut bytes = vec![0; plane * wanted];
    for segment in 0..wanted {
        let start = number(segment + 1)?;
        let end = if segment + 1 < segments { number(segment + 2)? } else { fragment.len() };
        let coded = fragment.get(start..end).filter(|_| start >= HEADER)?;
        let (sample, byte) = (segment / width, width - 1 - segment % width);
        let into = bytes.iter_mut().skip(sample * width + byte).step_by(wanted);
        nothing_else &= unpack(coded, plane, into)?;
    }
    Some(Decoded { bytes, nothing_else })
}

/// One segment (PS3.5 G.3.2): whether it holds no more than it yields.
fn unpack<'a>(
    mut coded: &[u8],
    mut left: usize,
    mut into: impl Iterator<Item = &'a mut u8>,
) -> Option<bool> {
    let mut exact = true;
    while left > 0 {
        let (&code, rest) = coded.split_first()?;
        let (count, step, run) = match code {
            0..=127 => (usize::from(code) + 1, usize::from(code) + 1, false),
            128 => (0, 0, false),
            129.. => (257 - usize::from(code), 1, true),
        };
        let (values, rest) = rest.split_at_checked(step)?;
        exact &= (1..=left).contains(&count);
        let count = count.min(left);
        for (n, byte) in into.by_ref().take(count).enumerate() {
            *byte = values[if run { 0 } else { n }];
        }
        (left, coded) = (left - count, rest);
    }
    Some(exact && (coded.is_empty() || coded == [0]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(segments: &[&[u8]]) -> Vec<u8> {
        let mut bytes = (segments.len() as u32).to_le_bytes().to_vec();
        let mut offset = HEADER;
        for n in 0..15 {
            let at = segments.get(n).map_or(0, |segment| {
                offset += segment.len();
                offset - segment.len()
            });
            bytes.extend((at as u32).to_le_bytes());
        }
        bytes.extend(segments.concat());
        bytes
    }

    #[test]
    fn segments_are_interleaved_most_significant_byte_first() {
        let coded = frame(&[&[1, 0xa0, 0xb0], &[0xff, 7], &[0xff, 1], &[1, 2, 3]]);
        let decoded = decode(&coded, 2, 2, 2).unwrap();
        assert_eq!(decoded.bytes, [7, 0xa0, 2, 1, 7, 0xb0, 3, 1]);
        assert!(decoded.nothing_else);
    }

    #[test]
    fn what_is_besides_the_image_is_seen() {
        let besides = |coded: Vec<u8>| !decode(&coded, 2, 1, 1).unwrap().nothing_else;
        assert!(!besides(frame(&[&[0xff, 7]])) && !besides(frame(&[&[0xff, 7, 0]])));
        assert!(besides(frame(&[&[0xff, 7, b'J', b'D']])), "behind the segment");
        assert!(besides(frame(&[&[0xff, 7], b"JD"])), "a segment more");
        assert!(besides(frame(&[&[3, 7, 7, b'J', b'D']])), "more samples");
        assert!(besides(frame(&[&[128, 0xff, 7]])), "a code for nothing");
        let mut header = frame(&[&[0xff, 7]]);
        header[60] = b'J';
        assert!(besides(header), "in the header");
        let mut gap = frame(&[&[b'J', 0xff, 7]]);
        gap[4] += 1;
        assert!(besides(gap), "before the first segment");
    }

    proptest! {
        #[test]
        fn no_input_panics(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            plane in 0..300_usize, samples in 1..4_usize, width in 1..5_usize,
        ) {
            let mut bytes = bytes;
            if let Some(count) = bytes.get_mut(..8) {
                count.copy_from_slice(&[(samples * width) as u8, 0, 0, 0, 64, 0, 0, 0]);
            }
            if let Some(decoded) = decode(&bytes, plane, samples, width) {
                prop_assert_eq!(decoded.bytes.len(), plane * samples * width);
            }
        }
    }
}
