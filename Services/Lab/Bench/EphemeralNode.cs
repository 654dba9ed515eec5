using Microsoft.Extensions.Logging;
using RagPlatform.Cli;
using RagPlatform.Cli.Connections;
using RagPlatform.Contracts;
using RagPlatform.Lab.Figures;
using RagPlatform.SingleNode;

namespace RagPlatform.Lab.Bench;

/// <summary>
/// A temporary instance in this process, with servers, ports and a data folder of its own; all of it is gone when it is disposed,
/// after Ctrl-C and failures too.
/// </summary>
internal sealed class EphemeralNode : Node
{
    private EphemeralNode(SingleNodeApp app, ApiAddress address, RagClient client)
    {
        App = app;
        Address = address;
        Client = client;
    }

    /// <summary>The instance, with its services, addresses and connection strings.</summary>
    public SingleNodeApp App { get; }

    /// <inheritdoc />
    public override ApiAddress Address { get; }

    /// <inheritdoc />
    public override RagClient Client { get; }

    /// <summary>Starts one.</summary>
    /// <param name="run">The run that it is for.</param>
    /// <param name="options">How; null for a temporary folder, the defaults, and a log of errors only.</param>
    /// <exception cref="CliException">It cannot start.</exception>
    public static async Task<EphemeralNode> StartAsync(FigureRun run, SingleNodeOptions? options = null)
    {
        var time = run.Context.Environment.Time;
        var began = time.GetTimestamp();
        run.Progress("starting a temporary instance");
        try
        {
            var app = await SingleNodeApp.StartAsync(options ?? new SingleNodeOptions { LogLevel = LogLevel.Error }, run.CancellationToken);
            run.Progress(FormattableString.Invariant($"started in {time.GetElapsedTime(began).TotalSeconds:0.0} s"));
            var address = new ApiAddress(app.ApiAddress, app.AdminKey);
            return new EphemeralNode(app, address, run.Context.Connect(address));
        }
        catch (SingleNodeException e)
        {
            throw new CliException($"a temporary instance cannot start: {e.Message}", e);
        }
    }

    /// <inheritdoc />
    public override ValueTask DisposeAsync() => App.DisposeAsync();
}
