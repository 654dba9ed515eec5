using RagPlatform.Cli;
using RagPlatform.Contracts;
using RagPlatform.Integration.Tests.Infrastructure;
using RagPlatform.Lab;
using RagPlatform.SingleNode;

namespace RagPlatform.Integration.Tests.Cli;

/// <summary>The whole platform in this process, and the command line pointed at it.</summary>
internal sealed class CliNode : IAsyncDisposable
{
    private readonly SingleNodeApp _app;
    private readonly TemporaryFolder _folder;

    private CliNode(SingleNodeApp app, TemporaryFolder folder)
    {
        _app = app;
        _folder = folder;
    }

    /// <summary>Where command lines run, and where what they remember is kept.</summary>
    public TemporaryFolder Folder => _folder;

    public static async Task<CliNode> StartAsync(TestDatabase database)
    {
        var options = new SingleNodeOptions { Postgres = database.ConnectionString, Valkey = database.CacheConnectionString };
        return new CliNode(await SingleNodeApp.StartAsync(options, TestContext.Current.CancellationToken), new TemporaryFolder());
    }

    /// <summary>Runs a command line.</summary>
    public Task<(int Exit, string Output, string Error)> RunAsync(params string[] args) => RunAsync(RagCli.RunAsync, args);

    /// <summary>Runs a command line of the program that has <c>bench</c>, <c>drill</c> and <c>eval</c> as well.</summary>
    public Task<(int Exit, string Output, string Error)> RunLabAsync(params string[] args) => RunAsync(LabCli.RunAsync, args);

    /// <summary>The ids of a workspace's documents, in order.</summary>
    public async Task<IReadOnlyList<string>> ListAsync(string workspace)
    {
        using var http = new HttpClient { BaseAddress = _app.ApiAddress };
        http.DefaultRequestHeaders.Authorization = new("Bearer", _app.AdminKey);
        var page = await new RagClient(http).ListDocumentsAsync(workspace, null, 1000, TestContext.Current.CancellationToken);
        return [.. page.Items.Select(document => document.Id).Order(StringComparer.Ordinal)];
    }

    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        _folder.Dispose();
    }

    private async Task<(int Exit, string Output, string Error)> RunAsync(
        Func<string[], CliEnvironment, CancellationToken, Task<int>> runAsync, string[] args)
    {
        using var output = new StringWriter { NewLine = "\n" };
        using var error = new StringWriter { NewLine = "\n" };
        var environment = new CliEnvironment
        {
            Output = output,
            Error = error,
            WorkingDirectory = _folder.FullPath,
            Variable = name => name switch
            {
                "RAG_URL" => _app.ApiAddress.ToString(),
                "RAG_API_KEY" => _app.AdminKey,
                "RAG_DATA" => ".data",
                _ => null,
            },
        };
        var exit = await runAsync(args, environment, TestContext.Current.CancellationToken);
        return (exit, output.ToString(), error.ToString());
    }
}
