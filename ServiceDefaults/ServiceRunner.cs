using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using RagPlatform.ServiceDefaults.Health;

namespace RagPlatform.ServiceDefaults;

/// <summary>Runs a service as a process.</summary>
public static class ServiceRunner
{
    /// <summary>
    /// Builds a service and runs it until the process is told to stop. What the person who starts it can mend (an option out of range, no
    /// admin key, an address in use) is one line on standard error.
    /// </summary>
    /// <param name="build">Builds the service.</param>
    /// <returns>The exit code: 0 after a stop that was asked for, 1 when the service could not start.</returns>
    public static async Task<int> RunAsync(Func<WebApplication> build)
    {
        try
        {
            await using var app = build();

            // The host validates as well, but logs the stack before it throws.
            app.Services.GetService<IStartupValidator>()?.Validate();
            app.Services.GetService<Drain>()?.IsOwnProcess = true;
            await app.RunAsync();
            return 0;
        }
        catch (Exception exception) when (Explain(exception) is { } line)
        {
            await Console.Error.WriteLineAsync($"Cannot start: {line}");
            return 1;
        }
    }

    /// <summary>The line for an exception that is no fault of the code, or <see langword="null"/>.</summary>
    internal static string? Explain(Exception exception) => exception switch
    {
        OptionsValidationException options => string.Join(" ", options.Failures),
        IOException { InnerException: AddressInUseException } inUse => inUse.Message,
        AggregateException several => Explain(several.InnerExceptions),
        _ => null,
    };

    private static string? Explain(IReadOnlyCollection<Exception> several)
    {
        var lines = several.Select(Explain).ToArray();
        return lines.Contains(null) ? null : string.Join(" ", lines);
    }
}
