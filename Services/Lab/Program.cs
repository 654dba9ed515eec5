using RagPlatform.Cli;
using RagPlatform.Lab;

return await LabCli.RunAsync(args, CliEnvironment.ForProcess());
