//! The system calls that workers, senders and the receiver need; all others fail with EPERM. No programs, no tracing, no
//! mounts; new sockets for senders alone.

use super::confine::Reach;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};
use std::collections::BTreeMap;

/// Whatever their arguments.
const NEEDED: &[i64] = &[
    // Files, below the directories that Landlock lets it have.
    libc::SYS_openat,
    libc::SYS_close,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_pwrite64,
    libc::SYS_lseek,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_ftruncate,
    libc::SYS_fallocate,
    libc::SYS_fadvise64,
    libc::SYS_copy_file_range,
    libc::SYS_sendfile,
    libc::SYS_splice,
    libc::SYS_fcntl,
    libc::SYS_flock,
    libc::SYS_dup,
    libc::SYS_statx,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statfs,
    libc::SYS_fstatfs,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_readlinkat,
    libc::SYS_getcwd,
    libc::SYS_getdents64,
    libc::SYS_mkdirat,
    libc::SYS_unlinkat,
    libc::SYS_renameat2,
    libc::SYS_linkat,
    // Memory; what may be run is below.
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    // Threads. Without execve a new process is one more of these.
    libc::SYS_clone,
    libc::SYS_clone3,
    libc::SYS_futex,
    libc::SYS_membarrier,
    libc::SYS_rseq,
    libc::SYS_set_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_exit,
    libc::SYS_exit_group,
    // Signals to itself; time; randomness; who it is.
    libc::SYS_sigaltstack,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_restart_syscall,
    libc::SYS_ppoll,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_gettimeofday,
    libc::SYS_getrandom,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_getppid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_uname,
    libc::SYS_sysinfo,
    libc::SYS_getrusage,
];

/// The older names of some of them.
#[cfg(target_arch = "x86_64")]
const OLDER: &[i64] = &[
    libc::SYS_open,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_access,
    libc::SYS_readlink,
    libc::SYS_mkdir,
    libc::SYS_rmdir,
    libc::SYS_unlink,
    libc::SYS_rename,
    libc::SYS_renameat,
    libc::SYS_link,
    libc::SYS_poll,
    libc::SYS_time,
];
#[cfg(not(target_arch = "x86_64"))]
const OLDER: &[i64] = &[libc::SYS_renameat];

/// To ask a name server and to connect, not to listen; there, and for sockets, arguments count.
const TO_CONNECT: &[i64] = &[libc::SYS_connect];
/// To be called on a socket that is there already.
const TO_BE_CALLED: &[i64] = &[libc::SYS_accept4];
/// To wait for many of them at once.
const TO_WAIT: &[i64] = &[libc::SYS_epoll_ctl, libc::SYS_epoll_pwait, libc::SYS_epoll_pwait2];
/// The older name, where there is one.
#[cfg(target_arch = "x86_64")]
const TO_WAIT_AS_BEFORE: &[i64] = &[libc::SYS_epoll_wait];
#[cfg(not(target_arch = "x86_64"))]
const TO_WAIT_AS_BEFORE: &[i64] = &[];
/// To talk to whoever is connected.
const TO_TALK: &[i64] = &[
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_setsockopt,
    libc::SYS_getsockopt,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_shutdown,
];

/// Filters the system calls of this thread and of those that it starts.
///
/// # Errors
/// When the kernel has no seccomp, or this processor is not known to the filter.
pub(super) fn only_needed(reach: Reach) -> Result<(), seccompiler::Error> {
    let more: &[&[i64]] = match reach {
        Reach::Nobody => &[],
        Reach::Ports(_) => &[TO_CONNECT, TO_TALK],
        Reach::Callers => &[TO_BE_CALLED, TO_TALK],
        Reach::Browsers => &[TO_BE_CALLED, TO_TALK, TO_WAIT, TO_WAIT_AS_BEFORE],
    };
    let always = NEEDED.iter().chain(OLDER).chain(more.iter().copied().flatten());
    let always = always.map(|call| (*call, Vec::new()));
    let rules: BTreeMap<i64, Vec<SeccompRule>> = always.chain(sometimes(reach)?).collect();
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    let refuse = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let filter = SeccompFilter::new(rules, refuse, SeccompAction::Allow, arch)?;
    let program: BpfProgram = filter.try_into()?;
    seccompiler::apply_filter(&program)
}

/// Where it depends on an argument.
fn sometimes(reach: Reach) -> Result<Vec<(i64, Vec<SeccompRule>)>, seccompiler::BackendError> {
    const PROTECTION: u8 = 2;
    let when = |argument, operation, value| {
        let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Qword, operation, value)?;
        SeccompRule::new(vec![condition])
    };
    let runs_nothing_new = || SeccompCmpOp::MaskedEq(libc::PROT_EXEC as u64);
    let name_of_a_thread = libc::PR_SET_NAME as u64;
    let is = |argument, value| when(argument, SeccompCmpOp::Eq, value);
    let mut rules = vec![
        (libc::SYS_mmap, vec![when(PROTECTION, runs_nothing_new(), 0)?]),
        (libc::SYS_mprotect, vec![when(PROTECTION, runs_nothing_new(), 0)?]),
        (libc::SYS_prctl, vec![is(0, name_of_a_thread)?]),
        // To read a limit, not to set one.
        (libc::SYS_prlimit64, vec![is(2, 0)?]),
        // To abort, not to reach others.
        (libc::SYS_tgkill, vec![is(0, u64::from(std::process::id()))?]),
    ];
    if let Reach::Ports(_) = reach {
        let internet = [libc::AF_INET, libc::AF_INET6].map(|family| is(0, family as u64));
        rules.push((libc::SYS_socket, internet.into_iter().collect::<Result<_, _>>()?));
    }
    if reach != Reach::Nobody {
        let about_a_socket = [libc::FIONBIO, libc::FIONREAD].map(|request| is(1, request));
        rules.push((libc::SYS_ioctl, about_a_socket.into_iter().collect::<Result<_, _>>()?));
    }
    Ok(rules)
}
