// SPDX-License-Identifier: Apache-2.0
//! The peer side of `script/bench --peers`. A line "BITS ROUNDS" on stdin (2, 4, 6 or 8 bits, half message and half
//! carry) is answered with a line on stdout: the median of ROUNDS keyswitches and bootstraps in milliseconds, on the
//! calling thread (the crate uses more than one only to make keys). Keys are made at the first line of a precision and
//! kept; every answer is decrypted, and a wrong one ends the program.
use std::io::{self, BufRead, Write};
use std::time::Instant;
use tfhe::shortint::parameters::v1_8::{
    V1_8_PARAM_MESSAGE_1_CARRY_1_KS_PBS_TUNIFORM_2M128, V1_8_PARAM_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128,
    V1_8_PARAM_MESSAGE_3_CARRY_3_KS_PBS_TUNIFORM_2M128, V1_8_PARAM_MESSAGE_4_CARRY_4_KS_PBS_TUNIFORM_2M128,
};
use tfhe::shortint::server_key::LookupTableOwned;
use tfhe::shortint::{gen_keys, Ciphertext, ClassicPBSParameters, ClientKey, ServerKey};

struct Side {
    client: ClientKey,
    server: ServerKey,
    table: LookupTableOwned,
    input: Ciphertext,
    wanted: u64,
}

fn parameters(bits: usize) -> Option<ClassicPBSParameters> {
    match bits {
        2 => Some(V1_8_PARAM_MESSAGE_1_CARRY_1_KS_PBS_TUNIFORM_2M128),
        4 => Some(V1_8_PARAM_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128),
        6 => Some(V1_8_PARAM_MESSAGE_3_CARRY_3_KS_PBS_TUNIFORM_2M128),
        8 => Some(V1_8_PARAM_MESSAGE_4_CARRY_4_KS_PBS_TUNIFORM_2M128),
        _ => None,
    }
}

fn prepare(bits: usize, p: ClassicPBSParameters) -> Side {
    let start = Instant::now();
    let (client, server) = gen_keys(p);
    let cells = 1u64 << bits;
    let f = |x: u64| (5 * x + 3) % cells;
    let message = cells / 2 - 1;
    let side = Side {
        table: server.generate_lookup_table(f),
        input: client.unchecked_encrypt(message),
        wanted: f(message),
        client,
        server,
    };
    eprintln!(
        "peer, {bits} bits: n={} k={} N={} l={} Bg=2^{} keyswitch l={} B=2^{} two-norm {} failure 2^{:.1}, keys in {:.1} s",
        p.lwe_dimension.0,
        p.glwe_dimension.0,
        p.polynomial_size.0,
        p.pbs_level.0,
        p.pbs_base_log.0,
        p.ks_level.0,
        p.ks_base_log.0,
        p.max_noise_level.get(),
        p.log2_p_fail,
        start.elapsed().as_secs_f64()
    );
    side
}

#[repr(C)]
struct Timespec {
    seconds: i64,
    nanoseconds: i64,
}

extern "C" {
    fn clock_gettime(clock: i32, time: *mut Timespec) -> i32;
}

/// What the calling thread computed, in milliseconds: as our side counts (bench.h).
fn thread_milliseconds() -> f64 {
    const CLOCK_THREAD_CPUTIME_ID: i32 = 3; // Linux
    let mut t = Timespec { seconds: 0, nanoseconds: 0 };
    let failed = unsafe { clock_gettime(CLOCK_THREAD_CPUTIME_ID, &mut t) };
    assert_eq!(failed, 0);
    t.seconds as f64 * 1e3 + t.nanoseconds as f64 * 1e-6
}

fn milliseconds(side: &Side, rounds: usize) -> f64 {
    let mut times: Vec<f64> = (0..rounds)
        .map(|_| {
            let start = thread_milliseconds();
            let out = side.server.apply_lookup_table(&side.input, &side.table);
            let time = thread_milliseconds() - start;
            assert_eq!(side.client.decrypt_message_and_carry(&out), side.wanted, "wrong look-up");
            time
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[rounds / 2]
}

fn main() -> io::Result<()> {
    let mut sides: [Option<Side>; 9] = Default::default();
    for line in io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<usize> = line.split_whitespace().map_while(|w| w.parse().ok()).collect();
        let (bits, rounds) = match words[..] {
            [bits, rounds] if rounds > 0 => (bits, rounds),
            _ => panic!("not BITS ROUNDS: {line}"),
        };
        let p = parameters(bits).expect("2, 4, 6 or 8 bits");
        let side = sides[bits].get_or_insert_with(|| prepare(bits, p));
        println!("{:.6}", milliseconds(side, rounds));
        io::stdout().flush()?;
    }
    Ok(())
}
