using RagPlatform.Cli;

return await RagCli.RunAsync(args, CliEnvironment.ForProcess());
