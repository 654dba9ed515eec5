using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using RagPlatform.Benchmarks;

// dotnet run -c Release --project Tests/Benchmarks -- --filter '*Bm25*'
// In this process: a project generated elsewhere would not find the central package versions.
var config = DefaultConfig.Instance.AddJob(Job.ShortRun.WithToolchain(InProcessEmitToolchain.Instance));
BenchmarkSwitcher.FromAssembly(typeof(Bm25Benchmark).Assembly).Run(args, config);
