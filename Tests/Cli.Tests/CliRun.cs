namespace RagPlatform.Cli.Tests;

/// <summary>Runs a command line against a <see cref="FakeApi"/>.</summary>
internal sealed record CliRun(int Exit, string Output, string Error)
{
    public static async Task<CliRun> RunAsync(FakeApi api, params string[] args)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        var environment = new CliEnvironment
        {
            Output = output,
            Error = error,
            Variable = name => name switch { "RAG_API_KEY" => "key-1", "RAG_URL" => "http://rag.test", "RAG_DATA" => "/nowhere", _ => null },
            CreateHandler = () => api,
        };
        var exit = await RagCli.RunAsync(args, environment, TestContext.Current.CancellationToken);
        return new CliRun(exit, output.ToString(), error.ToString());
    }
}
