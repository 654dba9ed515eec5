using RagPlatform.Cli.Connections;
using RagPlatform.Contracts;

namespace RagPlatform.Lab.Bench;

/// <summary>An instance of the platform that a run measures: one that runs already, or one of its own.</summary>
internal abstract class Node : IAsyncDisposable
{
    /// <summary>Its API, and the key.</summary>
    public abstract ApiAddress Address { get; }

    /// <summary>Its API. It waits when the instance restarts.</summary>
    public abstract RagClient Client { get; }

    /// <inheritdoc />
    public abstract ValueTask DisposeAsync();

    /// <summary>The instance that the command line points to; it is left alone.</summary>
    public static Node Running(Figures.FigureRun run)
    {
        var address = run.Context.Address(run.Parse);
        return new RunningNode(address, run.Context.Connect(address, patient: true));
    }

    private sealed class RunningNode(ApiAddress address, RagClient client) : Node
    {
        public override ApiAddress Address { get; } = address;

        public override RagClient Client { get; } = client;

        public override ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
