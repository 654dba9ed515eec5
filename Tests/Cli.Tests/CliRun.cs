namespace RagPlatform.Cli.Tests;

/// <summary>Runs a command line against a <see cref="FakeApi"/>.</summary>
internal sealed record CliRun(int Exit, string Output, string Error)
{
    public static Task<CliRun> RunAsync(FakeApi api, params string[] args) => RunAsync(api, "", args);

    public static async Task<CliRun> RunAsync(FakeApi api, string input, string[] args)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        var environment = new CliEnvironment
        {
            Output = output,
            Error = error,
            Variable = name => name switch { "RAG_API_KEY" => "key-1", "RAG_URL" => "http://rag.test", "RAG_DATA" => "/nowhere", "RAG_EMBEDDING_URL" => api.EmbeddingUrl, _ => null },
            CreateHandler = () => api,
            OpenInput = () => new MemoryStream(System.Text.Encoding.UTF8.GetBytes(input)),
        };
        var exit = await RagCli.RunAsync(args, environment, TestContext.Current.CancellationToken);
        return new CliRun(exit, output.ToString(), error.ToString());
    }
}
