using System.Collections.Concurrent;
using Microsoft.Extensions.Options;
using Microsoft.ML.OnnxRuntime;

namespace RagPlatform.EmbeddingService.Providers.Local;

/// <summary>The local models of this process: each is opened once, whatever becomes of the registry.</summary>
internal sealed class LocalModels(IOptions<LocalOptions> options, TimeProvider time, ILoggerFactory loggers) : IAsyncDisposable
{
    private readonly ConcurrentDictionary<string, LocalModel> _models = new(StringComparer.Ordinal);
    private readonly Lazy<string?> _missing = new(WhyNot);

    /// <summary>Whether models can be computed on this machine. The first look loads ONNX Runtime's native library.</summary>
    public bool CanCompute => _missing.Value is null;

    /// <summary>Why models cannot be computed here, in one line; null when they can.</summary>
    public string? Reason => _missing.Value;

    /// <summary>The model of <paramref name="source"/>.</summary>
    /// <param name="key">What it is known by.</param>
    /// <param name="source">Its files.</param>
    public LocalModel Get(string key, ModelSource source) =>
        _models.GetOrAdd(key + '\n' + source.Settings.Revision, _ => new LocalModel(source, options.Value, time, loggers.CreateLogger<LocalModel>()));

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        foreach (var model in _models.Values)
        {
            await model.DisposeAsync();
        }
    }

    private static string? WhyNot()
    {
        try
        {
            OrtEnv.Instance();
            return null;
        }
        catch (Exception e) when (e is DllNotFoundException or EntryPointNotFoundException or BadImageFormatException or TypeInitializationException)
        {
            return "ONNX Runtime's native library does not load on this machine: " + (e.InnerException ?? e).Message.Split('\n')[0];
        }
    }
}
