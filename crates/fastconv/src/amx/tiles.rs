//! The tile instructions. Rust has no names for them yet, so they are written in assembly.
//!
//! Registers 0 to 3 hold sums, two by two: those of two blocks of 16 rows with two blocks of 16 columns.

use std::arch::asm;

/// Rows and columns of a block of sums.
pub(super) const SIDE: usize = 16;
/// Values of a row that one step multiplies.
pub(super) const DEPTH: usize = 32;

/// Asks the system for the tiles' registers, which a process may use only then.
pub(super) fn permitted() -> bool {
    #[cfg(target_os = "linux")]
    {
        use std::arch::x86_64::{__cpuid, __cpuid_count};
        const REQUEST: libc::c_long = 0x1023;
        const TILE_DATA: libc::c_long = 18;
        const BFLOAT16_AND_TILES: u32 = 1 << 22 | 1 << 24;
        let features = if __cpuid(0).eax < 7 { 0 } else { __cpuid_count(7, 0).edx };
        // SAFETY: the call takes two numbers and touches no memory of ours; older systems answer with an error.
        features & BFLOAT16_AND_TILES == BFLOAT16_AND_TILES
            && unsafe { libc::syscall(libc::SYS_arch_prctl, REQUEST, TILE_DATA) } == 0
    }
    #[cfg(not(target_os = "linux"))]
    false
}

/// How the tiles are laid out: the operand of `ldtilecfg`.
#[repr(C, align(64))]
struct Layout {
    palette: u8,
    first_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

/// The tiles of this thread, all of 16 rows of 64 bytes, from here until it is dropped. Nothing in between may hand the thread to
/// another task.
pub(super) struct Tiles(());

/// Two places in memory and the bytes between the rows of each.
#[derive(Clone, Copy)]
pub(super) struct Blocks<T> {
    pub at: [*const T; 2],
    pub row: usize,
}

impl Tiles {
    /// # Safety
    /// [`permitted`] said yes.
    pub unsafe fn new() -> Self {
        let mut layout = Layout { palette: 1, first_row: 0, reserved: [0; 14], row_bytes: [0; 16], rows: [0; 16] };
        layout.row_bytes[..8].fill(64);
        layout.rows[..8].fill(16);
        // SAFETY: reads the 64 bytes of the layout.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const layout, options(nostack, readonly)) };
        Self(())
    }

    /// All sums become zero.
    pub fn zero(&mut self) {
        // SAFETY: changes tile registers alone.
        unsafe { asm!("tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3", options(nostack, nomem)) };
    }

    /// Adds the products of two blocks of rows `a` with two of columns `b`, over `steps` times 32 values. `a` goes on by 64 bytes
    /// a step, `b` by `next` bytes. A row of `b` holds two values for each of its 16 columns, side by side.
    ///
    /// # Safety
    /// All that is readable.
    #[inline(always)]
    pub unsafe fn multiply(&mut self, a: Blocks<u16>, b: Blocks<u16>, next: usize, steps: usize) {
        if steps == 0 {
            return;
        }
        // SAFETY: vouched for by the caller; tile registers are nobody else's.
        unsafe {
            asm!(
                "2:",
                "tileloadd tmm4, [{a0} + {a_row}*1]",
                "tileloadd tmm6, [{b0} + {b_row}*1]",
                "tileloadd tmm5, [{a1} + {a_row}*1]",
                "tileloadd tmm7, [{b1} + {b_row}*1]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tdpbf16ps tmm3, tmm5, tmm7",
                "add {a0}, 64",
                "add {a1}, 64",
                "add {b0}, {next}",
                "add {b1}, {next}",
                "dec {steps}",
                "jnz 2b",
                a0 = inout(reg) a.at[0] => _,
                a1 = inout(reg) a.at[1] => _,
                a_row = in(reg) a.row,
                b0 = inout(reg) b.at[0] => _,
                b1 = inout(reg) b.at[1] => _,
                b_row = in(reg) b.row,
                next = in(reg) next,
                steps = inout(reg) steps => _,
                options(nostack, readonly),
            );
        }
    }

    /// Reads the sums: those of the first 16 rows from `c.at[0]`, the others from `c.at[1]`, 32 columns side by side.
    ///
    /// # Safety
    /// All that is readable.
    #[inline(always)]
    pub unsafe fn load(&mut self, c: Blocks<f32>) {
        // SAFETY: vouched for by the caller.
        unsafe {
            asm!(
                "tileloadd tmm0, [{c0} + {row}*1]",
                "tileloadd tmm1, [{c0} + {row}*1 + 64]",
                "tileloadd tmm2, [{c1} + {row}*1]",
                "tileloadd tmm3, [{c1} + {row}*1 + 64]",
                c0 = in(reg) c.at[0],
                c1 = in(reg) c.at[1],
                row = in(reg) c.row,
                options(nostack, readonly),
            );
        }
    }

    /// Writes the sums to where [`Self::load`] would read them.
    ///
    /// # Safety
    /// All that is writable, and nobody else's.
    #[inline(always)]
    pub unsafe fn store(&self, c: Blocks<f32>) {
        // SAFETY: vouched for by the caller.
        unsafe {
            asm!(
                "tilestored [{c0} + {row}*1], tmm0",
                "tilestored [{c0} + {row}*1 + 64], tmm1",
                "tilestored [{c1} + {row}*1], tmm2",
                "tilestored [{c1} + {row}*1 + 64], tmm3",
                c0 = in(reg) c.at[0],
                c1 = in(reg) c.at[1],
                row = in(reg) c.row,
                options(nostack),
            );
        }
    }
}

impl Drop for Tiles {
    fn drop(&mut self) {
        // SAFETY: changes tile registers alone.
        unsafe { asm!("tilerelease", options(nostack, nomem)) };
    }
}
