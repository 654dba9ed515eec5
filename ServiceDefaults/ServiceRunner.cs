using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace RagPlatform.ServiceDefaults;

/// <summary>Runs a service as a process.</summary>
public static class ServiceRunner
{
    /// <summary>
    /// Runs until the process is told to stop. What the person who starts it can mend (an option out of range, no admin key, an address in use) is one
    /// line on standard error, not a stack.
    /// </summary>
    /// <returns>The exit code: 0 after a stop that was asked for, 1 when the service could not start.</returns>
    public static async Task<int> RunServiceAsync(this WebApplication app)
    {
        try
        {
            await app.RunAsync();
            return 0;
        }
        catch (Exception exception) when (Explain(exception) is not null)
        {
            await Console.Error.WriteLineAsync($"{app.Environment.ApplicationName} cannot start: {Explain(exception)}");
            return 1;
        }
    }

    /// <summary>The line for an exception that is no fault of the code, or <see langword="null"/>.</summary>
    internal static string? Explain(Exception exception) => exception switch
    {
        OptionsValidationException options => string.Join(" ", options.Failures),
        IOException { InnerException: AddressInUseException } inUse => inUse.Message,
        AggregateException { InnerException: { } inner } => Explain(inner),
        _ => null,
    };
}
