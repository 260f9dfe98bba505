//! Sizes of tasks on Fargate.
//! <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_definition_parameters.html#task_size>
//!
//! 32 vCPU came in 2026, for Linux only, with three sizes (aws-cloudformation/cfn-lint#4668).

const CPUS: [u32; 8] = [256, 512, 1024, 2048, 4096, 8192, 16_384, 32_768];

/// The MiB that a task with so many CPU units can have. The list is empty if there are no such tasks.
fn memory(cpu: u32) -> Vec<u32> {
    let steps = |from: u32, to: u32, step: u32| (from..=to).step_by(step as usize).collect();
    match cpu {
        256 => vec![512, 1024, 2048],
        512 => steps(1024, 4096, 1024),
        1024 => steps(2048, 8192, 1024),
        2048 => steps(4096, 16_384, 1024),
        4096 => steps(8192, 30_720, 1024),
        8192 => steps(16_384, 61_440, 4096),
        16_384 => steps(32_768, 122_880, 8192),
        32_768 => vec![61_440, 122_880, 249_856],
        _ => Vec::new(),
    }
}

/// Why there are no tasks of this size, and which sizes there are.
pub(super) fn problem(cpu: u32, mib: u32) -> Option<(String, String)> {
    let sizes = memory(cpu);
    if sizes.contains(&mib) {
        return None;
    }
    let list = |numbers: &[u32]| numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
    let what = format!("Fargate has no tasks with {cpu} CPU units and {mib} MiB");
    let hint = match sizes.is_empty() {
        true => format!("CPU units are one of {}", list(&CPUS)),
        false => format!("with {cpu} CPU units: {} MiB", list(&sizes)),
    };
    Some((what, hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_of_the_guide() {
        let taken = [
            (256, 512),
            (512, 4096),
            (1024, 2048),
            (2048, 16_384),
            (4096, 30_720),
            (8192, 16_384),
            (8192, 61_440),
            (16_384, 32_768),
            (16_384, 122_880),
            (32_768, 61_440),
            (32_768, 122_880),
            (32_768, 249_856),
        ];
        for (cpu, mib) in taken {
            assert_eq!(problem(cpu, mib), None, "{cpu} {mib}");
        }
        let refused = [(256, 4096), (512, 512), (8192, 17_408), (16_384, 36_864), (32_768, 65_536), (300, 512)];
        let hints: Vec<String> = refused.iter().filter_map(|(cpu, mib)| Some(problem(*cpu, *mib)?.1)).collect();
        insta::assert_snapshot!(hints.join("\n"), @r"
        with 256 CPU units: 512, 1024, 2048 MiB
        with 512 CPU units: 1024, 2048, 3072, 4096 MiB
        with 8192 CPU units: 16384, 20480, 24576, 28672, 32768, 36864, 40960, 45056, 49152, 53248, 57344, 61440 MiB
        with 16384 CPU units: 32768, 40960, 49152, 57344, 65536, 73728, 81920, 90112, 98304, 106496, 114688, 122880 MiB
        with 32768 CPU units: 61440, 122880, 249856 MiB
        CPU units are one of 256, 512, 1024, 2048, 4096, 8192, 16384, 32768
        ");
    }
}
